#include "doctor/report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace valley::doctor {
namespace {

Finding finding(const std::string& group, const std::string& name, Status status,
                ExitCode code = ExitCode::kDone) {
  return {group, name, status, "value of " + name, status == Status::kOk ? "" : "do something",
          code,  {},   ""};
}

Report good() {
  Report report{"n1", 2, false, {}};
  report.checkup.findings = {finding("ranks", "ranks", Status::kOk),
                             finding("program", "valley", Status::kOk),
                             finding("limits", "stack", Status::kWarning)};
  report.checkup.versions = {{"hdf5", "1.10.8"}};
  sort_findings(report.checkup);
  return report;
}

Report bad() {
  Report report = good();
  report.checkup.findings.push_back(
      finding("storage", "out", Status::kFailure, ExitCode::kCannotWrite));
  report.checkup.findings.push_back(
      finding("data", "data", Status::kFailure, ExitCode::kMissingInput));
  sort_findings(report.checkup);
  return report;
}

TEST(Report, GroupsAreSorted) {
  const auto findings = good().checkup.findings;
  EXPECT_EQ(findings[0].group, "program");
  EXPECT_EQ(findings[1].group, "limits");
  EXPECT_EQ(findings[2].group, "ranks");
}

TEST(Report, WarningsDoNotChangeExitCode) {
  EXPECT_EQ(exit_code(good().checkup), ExitCode::kDone);
  EXPECT_EQ(verdict(good()), "ready to train on 2 CPU ranks (1 warning)");
}

TEST(Report, FirstFailureSetsExitCode) {
  EXPECT_EQ(exit_code(bad().checkup), ExitCode::kCannotWrite);
  EXPECT_EQ(verdict(bad()), "would stop a run: out: value of out (and 1 more)");
}

TEST(Report, PlainTextHasOneLinePerFinding) {
  const std::string text = to_text(bad(), {});
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(text.find("\n  FAIL  out     value of out\n                -> do something\n"),
            std::string::npos)
      << text;
  EXPECT_TRUE(text.ends_with("\nwould stop a run: out: value of out (and 1 more)\n"));
}

TEST(Report, TerminalTextHasColorsAndIsWrapped) {
  Report report = good();
  report.checkup.findings[0].value = "one two three four five six seven eight nine ten eleven";
  const std::string text = to_text(report, {true, 40});
  EXPECT_NE(text.find("\x1b[33mwarn\x1b[0m"), std::string::npos);
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    std::string plain;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '\x1b') {
        i = line.find('m', i);
      } else {
        plain += line[i];
      }
    }
    EXPECT_LE(plain.size(), 41U) << plain;
  }
}

TEST(Report, JsonHasAllFields) {
  const auto root = nlohmann::json::parse(to_json(bad()));
  EXPECT_EQ(root["ok"], false);
  EXPECT_EQ(root["exit_code"], 73);
  EXPECT_EQ(root["versions"]["hdf5"], "1.10.8");
  EXPECT_EQ(root["findings"].size(), 5U);
  const auto& out = root["findings"][3];
  EXPECT_EQ(out["name"], "out");
  EXPECT_EQ(out["status"], "failure");
  EXPECT_EQ(out["exit_code"], 73);
  EXPECT_EQ(out["advice"], "do something");
  EXPECT_TRUE(root["findings"][0]["advice"].is_null());
}

TEST(Report, NamesAnotherHost) {
  Report report = bad();
  report.checkup.findings[4].host = "n2";
  EXPECT_NE(to_text(report, {}).find("n2: value of data"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(to_json(report))["findings"][4]["host"], "n2");
}

}  // namespace
}  // namespace valley::doctor
