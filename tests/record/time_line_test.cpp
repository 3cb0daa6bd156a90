#include "record/time_line.h"

#include <gtest/gtest.h>

#include <limits>

#include "support/put_file.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

TimeLine sample_line() {
  TimeLine line;
  line.event = TimeEvent::kSave;
  line.began = 1764524000.125;
  line.time = 1764524031.5;
  line.step = 40;
  line.seconds = {1.5, 20.25, 0.5, 2, 3, 0.75, 0.125};
  return line;
}

TEST(TimeLine, ReadsBackAsWritten) {
  const auto read = parse_time_line(format_time_line(sample_line()));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->event, TimeEvent::kSave);
  EXPECT_EQ(read->began, 1764524000.125);
  EXPECT_EQ(read->time, 1764524031.5);
  EXPECT_EQ(read->step, 40);
  EXPECT_EQ(read->seconds, sample_line().seconds);
  EXPECT_FALSE(read->is_restart);
  EXPECT_DOUBLE_EQ(read->elapsed(), 28.125);
  TimeLine start = sample_line();
  start.event = TimeEvent::kStart;
  start.is_restart = true;
  EXPECT_TRUE(parse_time_line(format_time_line(start))->is_restart);
}

TEST(TimeLine, CutLinesAreNotParsed) {
  const std::string text = format_time_line(sample_line());
  for (std::size_t bytes = 0; bytes + 1 < text.size(); ++bytes)
    EXPECT_FALSE(parse_time_line(text.substr(0, bytes))) << bytes;
}

TEST(TimeLine, ImpossibleValuesAreNotParsed) {
  const auto with = [](const std::string& field, const std::string& value) {
    std::string text = format_time_line(sample_line());
    const std::size_t begin = text.find("\"" + field + "\":") + field.size() + 3;
    return text.replace(begin, text.find_first_of(",}", begin) - begin, value);
  };
  ASSERT_TRUE(parse_time_line(with("steps_s", "1")));
  for (const char* value : {"-1", "1e300", "null", "\"1\"", "[]"}) {
    EXPECT_FALSE(parse_time_line(with("steps_s", value))) << value;
    EXPECT_FALSE(parse_time_line(with("began", value))) << value;
  }
  for (const char* value : {"-1", "1.5", "1e300", "null"})
    EXPECT_FALSE(parse_time_line(with("step", value))) << value;
  EXPECT_FALSE(parse_time_line(with("event", "\"else\"")));
  EXPECT_FALSE(parse_time_line(with("event", "3")));
}

TEST(TimeLine, DamagedLinesOfAFileAreSkipped) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "time.jsonl";
  EXPECT_TRUE(read_time_lines(file).empty());
  const std::string line = format_time_line(sample_line());
  put_file(file, line + line.substr(0, 30) + "\n" + std::string(9, '\0') + "\n\n" + line +
                     line.substr(0, 50));
  EXPECT_EQ(read_time_lines(file).size(), 2U);
}

}  // namespace
}  // namespace valley
