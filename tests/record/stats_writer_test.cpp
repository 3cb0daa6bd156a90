#include "record/stats_writer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/read_file.h"
#include "support/put_file.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

StatsLine line(std::int64_t step, double loss) { return {{"step", step}, {"loss/D", loss}}; }

TEST(StatsLine, HasItsFieldsInOrder) {
  EXPECT_EQ(format_stats_line({{"step", std::int64_t{1200}},
                               {"images", std::numeric_limits<std::int64_t>::max()},
                               {"loss/D", 0.1},
                               {"event", "epoch"}}),
            "{\"step\": 1200, \"images\": 9223372036854775807, \"loss/D\": 0.1, "
            "\"event\": \"epoch\"}\n");
  EXPECT_EQ(format_stats_line({}), "{}\n");
}

TEST(StatsLine, NumbersAreShortestAndReadBackTheSame) {
  const auto text = [](double value) {
    const std::string all = format_stats_line({{"x", value}});
    return all.substr(6, all.size() - 8);
  };
  EXPECT_EQ(text(0), "0");
  EXPECT_EQ(text(-0.0), "-0");
  EXPECT_EQ(text(3), "3");
  EXPECT_EQ(text(0.3), "0.3");
  EXPECT_EQ(text(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(text(1e300), "1e+300");
  EXPECT_EQ(text(5e-324), "5e-324");
  EXPECT_EQ(text(std::nan("")), "null");
  EXPECT_EQ(text(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(text(-std::numeric_limits<double>::infinity()), "null");
  for (const double value : {0.1F * 1.0, 1e22, 1e21, 123456789.125, 2.2250738585072014e-308, -7e-5})
    EXPECT_EQ(nlohmann::json::parse(text(value)).get<double>(), value);
}

TEST(StatsLine, StringsAreEscaped) {
  const std::string odd = "a\"b\\c\nd\x01 \xC3\xA9";
  const std::string text = format_stats_line({{"na\"me", odd}});
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(nlohmann::json::parse(text)["na\"me"], odd);
  EXPECT_TRUE(nlohmann::json::accept(format_stats_line({{"x", "\xFF"}})));
}

TEST(StatsWriter, LinesAreAppendedImmediately) {
  const TemporaryFolder folder;
  StatsWriter writer(folder / "stats.jsonl", 0);
  writer.write(line(1, 0.5));
  EXPECT_EQ(read_file(folder / "stats.jsonl"), "{\"step\": 1, \"loss/D\": 0.5}\n");
  StatsWriter moved(std::move(writer));
  moved.write(line(2, 0.25));
  EXPECT_EQ(read_file(folder / "stats.jsonl"),
            "{\"step\": 1, \"loss/D\": 0.5}\n{\"step\": 2, \"loss/D\": 0.25}\n");
}

TEST(StatsWriter, ResumeDropsLaterStepsAndAnIncompleteLine) {
  const TemporaryFolder folder;
  const fs::path path = folder / "stats.jsonl";
  const std::string kept =
      "{\"step\": 10, \"loss\": 1}\n{\"note\": \"no step\"}\nnot JSON\n{\"step\": 20.0}\n";
  put_file(path, kept + "{\"step\": 21}\n{\"loss\": 3, \"step\": 30}\n{\"step\": 1");
  StatsWriter(path, 20).write({{"step", std::int64_t{21}}});
  EXPECT_EQ(read_file(path), kept + "{\"step\": 21}\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1) << "a temporary file";

  put_file(path,
           kept + "{\"step\": 1}");  // complete except for the newline
  StatsWriter(path, 20).write({{"step", std::int64_t{21}}});
  EXPECT_EQ(read_file(path), kept + "{\"step\": 21}\n");
  put_file(path, kept + std::string(7, '\0') + "\n");  // unwritten blocks
  const StatsWriter resumed(path, 20);
  EXPECT_EQ(read_file(path), kept);
}

TEST(StatsWriter, ResumeThatDropsNothingKeepsTheFile) {
  const TemporaryFolder folder;
  const fs::path path = folder / "stats.jsonl";
  put_file(path, "{\"step\": 1}\n");
  const auto before = fs::last_write_time(path);
  fs::create_hard_link(path, folder / "link");
  const StatsWriter writer(path, 1);
  EXPECT_EQ(fs::last_write_time(path), before);
  EXPECT_TRUE(fs::equivalent(path, folder / "link")) << "it was rewritten";
  put_file(path, "");
  EXPECT_NO_THROW(StatsWriter(path, 1));
}

TEST(StatsWriter, AFileThatCannotBeOpenedIsNamed) {
  const TemporaryFolder folder;
  try {
    const StatsWriter writer(folder / "absent/stats.jsonl", 0);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kCannotWrite);
    EXPECT_NE(std::string(error.what()).find("absent/stats.jsonl"), std::string::npos);
  }
}

TEST(StatsWriter, LineBeyondFreeSpaceLeavesTheFileUnchanged) {
  const TemporaryFolder folder;
  const ::pid_t child = ::fork();
  if (child == 0) {
    int wrong = 0;
    StatsWriter writer(folder / "stats.jsonl", 0);
    writer.write(line(1, 0.5));
    ::signal(SIGXFSZ, SIG_IGN);
    const struct ::rlimit limit = {40, 40};  // space for one and a half lines
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      writer.write(line(2, 0.5));
      ++wrong;
    } catch (const Error& error) {
      const std::string message = error.what();
      wrong += error.code() != ExitCode::kCannotWrite;
      wrong += message.find("stats.jsonl") == std::string::npos;
      wrong += message.find("writing 27 bytes") == std::string::npos;
    }
    wrong += read_file(folder / "stats.jsonl") != format_stats_line(line(1, 0.5));
    ::_exit(wrong);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace valley
