#include "doctor/guard.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <stdexcept>

#include "collected.h"

namespace valley::doctor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Checkup guarded(const Check& check, milliseconds limit = seconds(20)) {
  Checkup checkup;
  run_guarded("group", limit, ExitCode::kIo, check, checkup);
  return checkup;
}

TEST(Guard, ReturnsFindingsAndVersions) {
  const Checkup checkup = guarded([](const Notes& notes) {
    notes.warn("first", "a \"value\"\nof two lines", "do this", {{"mb_per_s", 12.5}});
    notes.fail(ExitCode::kCannotWrite, "second", "b", "do that");
    notes.version("hdf5", "1.10.8");
  });
  ASSERT_EQ(checkup.findings.size(), 2U);
  const Finding& first = checkup.findings[0];
  EXPECT_EQ(first.group, "group");
  EXPECT_EQ(first.status, Status::kWarning);
  EXPECT_EQ(first.value, "a \"value\"\nof two lines");
  EXPECT_EQ(first.advice, "do this");
  EXPECT_EQ(first.metrics.at("mb_per_s"), 12.5);
  EXPECT_EQ(checkup.findings[1].code, ExitCode::kCannotWrite);
  EXPECT_EQ(checkup.versions.at("hdf5"), "1.10.8");
}

TEST(Guard, ErrorIsAFailureWithItsCode) {
  const Checkup checkup = guarded([](const Notes& notes) {
    notes.ok("before", "kept");
    throw Error(ExitCode::kMissingInput, "nothing there");
  });
  ASSERT_EQ(checkup.findings.size(), 2U);
  EXPECT_EQ(named(checkup, "before").value, "kept");
  EXPECT_EQ(named(checkup, "check").code, ExitCode::kMissingInput);
  EXPECT_EQ(named(checkup, "check").value, "nothing there");
}

TEST(Guard, OtherExceptionIsAnInternalFailure) {
  const Checkup checkup = guarded([](const Notes&) { throw std::runtime_error("oops"); });
  EXPECT_EQ(named(checkup, "check").code, ExitCode::kInternal);
  EXPECT_EQ(named(checkup, "check").value, "oops");
}

TEST(Guard, CrashKeepsEarlierFindings) {
  const Checkup checkup = guarded([](const Notes& notes) {
    notes.ok("before", "kept");
    std::signal(SIGSEGV, SIG_DFL);
    ::raise(SIGSEGV);
  });
  EXPECT_EQ(named(checkup, "before").status, Status::kOk);
  EXPECT_EQ(named(checkup, "check").code, ExitCode::kInternal);
  EXPECT_NE(named(checkup, "check").value.find("signal 11"), std::string::npos);
}

TEST(Guard, TimeoutIsAFailure) {
  const auto start = std::chrono::steady_clock::now();
  const Checkup checkup = guarded(
      [](const Notes& notes) {
        notes.ok("before", "kept");
        ::sleep(60);
      },
      milliseconds(1000));
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(20));
  EXPECT_EQ(named(checkup, "before").status, Status::kOk);
  EXPECT_EQ(named(checkup, "check").code, ExitCode::kIo);
  EXPECT_EQ(named(checkup, "check").value, "no answer within 1 s");
}

TEST(Guard, BytesThatAreNotUtf8AreReplaced) {
  const Checkup checkup = guarded([](const Notes& notes) { notes.ok("path", "\xff\xfe"); });
  EXPECT_EQ(checkup.findings.size(), 1U);
}

}  // namespace
}  // namespace valley::doctor
