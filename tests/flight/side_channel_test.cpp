#include "flight/side_channel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "core/error.h"

namespace valley {
namespace {

const std::vector<std::string> kLoopback = {"127.0.0.1"};

// Serves until `done`, and collects what happens.
std::vector<ChannelEvent> serve(SideChannelServer& server, const std::atomic<bool>& done) {
  std::vector<ChannelEvent> all;
  while (!done) {
    for (ChannelEvent& event : server.poll(0.02)) all.push_back(std::move(event));
  }
  return all;
}

TEST(SideChannel, HmacIsThatOfRfc4231) {
  EXPECT_EQ(hmac_sha256("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hmac_sha256(std::string(131, '\xaa'),
                        "Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(SideChannel, CarriesLinesBothWays) {
  const std::string token = make_token();
  SideChannelServer server(kLoopback, token, 4);
  std::atomic<bool> done = false;
  std::vector<std::string> answers;
  std::thread rank([&] {
    SideChannelClient client(server.endpoints(), token, 3);
    client.send(std::string(100'000, 'x'));
    client.send("second");
    while (answers.empty()) answers = client.poll(0.05);
    done = true;
  });
  std::vector<std::string> lines;
  while (!done) {
    for (const ChannelEvent& event : server.poll(0.02)) {
      EXPECT_EQ(event.rank, 3);
      if (event.kind == ChannelEvent::Kind::kLine) lines.push_back(event.line);
      if (lines.size() == 2 && event.kind == ChannelEvent::Kind::kLine) server.send(3, "answer");
    }
  }
  rank.join();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].size(), 100'000U);
  EXPECT_EQ(lines[1], "second");
  EXPECT_EQ(answers, std::vector<std::string>{"answer"});
}

TEST(SideChannel, RefusesAWrongToken) {
  SideChannelServer server(kLoopback, make_token(), 2);
  std::atomic<bool> done = false;
  std::vector<ChannelEvent> events;
  std::thread serving([&] { events = serve(server, done); });
  EXPECT_THROW(SideChannelClient(server.endpoints(), make_token(), 1), Error);
  done = true;
  serving.join();
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(server.refused(), 1);
}

TEST(SideChannel, AClientRefusesAMonitorThatDoesNotKnowTheToken) {
  SideChannelServer server(kLoopback, make_token(), 2);
  EXPECT_THROW(SideChannelClient({"127.0.0.1:1", "nonsense", "127.0.0.1:x"}, make_token(), 1),
               Error);
}

TEST(SideChannel, ManyStrangersDoNotKeepARankOut) {
  const std::string token = make_token();
  SideChannelServer server(kLoopback, token, 2);
  std::atomic<bool> done = false;
  std::vector<ChannelEvent> events;
  std::thread serving([&] { events = serve(server, done); });
  std::vector<std::unique_ptr<LineConnection>> strangers;
  {
    const SideChannelClient first(server.endpoints(), token, 0);
    SideChannelClient member(server.endpoints(), token, 1);
    EXPECT_TRUE(member.is_open());
  }
  done = true;
  serving.join();
  int joined = 0;
  for (const ChannelEvent& event : events)
    joined += event.kind == ChannelEvent::Kind::kJoined ? 1 : 0;
  EXPECT_EQ(joined, 2);
}

}  // namespace
}  // namespace valley
