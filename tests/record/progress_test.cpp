#include "record/progress.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <stdexcept>

#include "core/log.h"

namespace valley {
namespace {

ProgressReport report(std::int64_t step) {
  ProgressReport r;
  r.step = step;
  r.steps = 4000;
  r.images = step * 16;
  r.metrics = {{"L(x)", 0.0812}, {"L(G)", 0.04}, {"k", 0.12}, {"M", 0.09}};
  r.images_per_second = 412.3;
  r.data_share = 0.012;
  r.comm_share = 0.031;
  r.utilization = 0.412;
  r.memory_gib = 21;
  r.eta_seconds = 2 * 3600 + 10 * 60 + 20;
  return r;
}

const std::string kLine =
    "step 1200 | 19.2 kimg | L(x) 0.081 L(G) 0.040 k 0.12 M 0.09 | 412 img/s | data 1% comm 3% | "
    "MFU 41% | 21.0 GiB | ETA 2h10";

TEST(FormatProgress, IsTheDocumentedLine) { EXPECT_EQ(format_progress(report(1200)), kLine); }

TEST(FormatProgress, OmitsUnknownParts) {
  EXPECT_EQ(format_progress({}), "step 0 | 0.0 kimg | data 0% comm 0% | ETA 0s");
  ProgressReport r;
  r.step = 7;
  r.images_per_second = 3.44;
  r.eta_seconds = std::numeric_limits<double>::infinity();
  EXPECT_EQ(format_progress(r), "step 7 | 0.0 kimg | 3.4 img/s | data 0% comm 0%");
  r.eta_seconds = std::nan("");
  EXPECT_EQ(format_progress(r), "step 7 | 0.0 kimg | 3.4 img/s | data 0% comm 0%");
}

TEST(FormatProgress, SmallUtilizationHasDecimals) {
  ProgressReport r;
  r.utilization = 0.0123;
  EXPECT_NE(format_progress(r).find(" | MFU 1.2% | "), std::string::npos);
  r.utilization = 0.00123;
  EXPECT_NE(format_progress(r).find(" | MFU 0.12% | "), std::string::npos);
}

TEST(FormatProgress, MetricsOfAnySizeStayReadable) {
  const auto metric = [](const std::string& name, double value) {
    ProgressReport r;
    r.metrics = {{name, value}};
    const std::string text = format_progress(r);
    const std::size_t begin = text.find("kimg | ") + 7;
    return text.substr(begin, text.find(" | data") - begin);
  };
  EXPECT_EQ(metric("L(x)", 0), "L(x) 0.000");
  EXPECT_EQ(metric("L(x)", -0.5), "L(x) -0.500");
  EXPECT_EQ(metric("L(x)", 12.3456), "L(x) 12.346");
  EXPECT_EQ(metric("L(x)", 1234.56), "L(x) 1234.6");
  EXPECT_EQ(metric("L(x)", 12345.6), "L(x) 12346");
  EXPECT_EQ(metric("L(x)", 1234567), "L(x) 1.23e+06");
  EXPECT_EQ(metric("L(x)", 0.0004), "L(x) 0.0004");
  EXPECT_EQ(metric("k", 0.0012), "k 0.0012");
  EXPECT_EQ(metric("k", 0.0000123), "k 1.2e-05");
  EXPECT_EQ(metric("k", std::nan("")), "k nan");
  EXPECT_EQ(metric("k", std::numeric_limits<double>::infinity()), "k inf");
}

TEST(FormatDuration, HasTwoUnitsAtMost) {
  EXPECT_EQ(format_duration(0), "0s");
  EXPECT_EQ(format_duration(-3), "0s");
  EXPECT_EQ(format_duration(42.4), "42s");
  EXPECT_EQ(format_duration(59.4), "59s");
  EXPECT_EQ(format_duration(59.6), "1m00");
  EXPECT_EQ(format_duration(185), "3m05");
  EXPECT_EQ(format_duration(3599.9), "1h00");
  EXPECT_EQ(format_duration(7800), "2h10");
  EXPECT_EQ(format_duration(86399), "23h59");
  EXPECT_EQ(format_duration(86400), "1d00h");
  EXPECT_EQ(format_duration(3 * 86400 + 4 * 3600 + 3599), "3d04h");
  EXPECT_EQ(format_duration(std::nan("")), "?");
  EXPECT_EQ(format_duration(std::numeric_limits<double>::infinity()), "1000000000d00h");
}

TEST(CutToColumns, CountsCharactersAndNotBytes) {
  EXPECT_EQ(cut_to_columns("abc", 5), "abc");
  EXPECT_EQ(cut_to_columns("abc", 3), "abc");
  EXPECT_EQ(cut_to_columns("abc", 2), "ab");
  EXPECT_EQ(cut_to_columns("abc", 0), "");
  EXPECT_EQ(cut_to_columns("\xC3\xA9\xCF\x80z", 2), "\xC3\xA9\xCF\x80");
  EXPECT_EQ(cut_to_columns("\xC3\xA9\xCF\x80z", 1), "\xC3\xA9");
}

TEST(Progress, WithoutATerminalPrintsFirstLastAndPeriodicLines) {
  ::testing::internal::CaptureStderr();
  {
    Progress progress(3600);
    for (std::int64_t step = 1; step <= 5; ++step) progress.show(report(step));
    progress.hide();
    progress.show_again();
    progress.finish();
    progress.finish();
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            format_progress(report(1)) + "\n" + format_progress(report(5)) + "\n");

  ::testing::internal::CaptureStderr();
  {
    Progress progress(0);
    for (std::int64_t step = 1; step <= 3; ++step) progress.show(report(step));
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), format_progress(report(1)) + "\n" +
                                                          format_progress(report(2)) + "\n" +
                                                          format_progress(report(3)) + "\n");

  ::testing::internal::CaptureStderr();
  Progress().finish();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

// Output of `body` on stderr when that is a terminal of `columns` columns. The terminal converts a
// newline to "\r\n".
std::string on_terminal(unsigned short columns, const char* kind,
                        const std::function<void()>& body) {
  const std::string end = "<end>";  // output arrives later, but in order
  int controller = -1;
  int terminal = -1;
  struct ::winsize size {};
  size.ws_col = columns;
  if (::openpty(&controller, &terminal, nullptr, nullptr, &size) != 0)
    throw std::runtime_error("openpty");
  std::fflush(stderr);
  const int saved = ::dup(STDERR_FILENO);
  ::dup2(terminal, STDERR_FILENO);
  ::setenv("TERM", kind, 1);
  body();
  std::fputs(end.c_str(), stderr);
  std::fflush(stderr);
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);

  std::string text;
  std::array<char, 4096> piece{};
  while (!text.ends_with(end)) {
    const ::ssize_t n = ::read(controller, piece.data(), piece.size());
    if (n <= 0) throw std::runtime_error("the terminal closed early");
    text.append(piece.data(), static_cast<std::size_t>(n));
  }
  ::close(terminal);
  ::close(controller);
  return text.substr(0, text.size() - end.size());
}

std::string drawn(const std::string& line) { return fmt::format("\r{}\x1b[K", line); }

TEST(Progress, OnATerminalRedrawsTheLineAndLeavesTheLast) {
  const std::string text = on_terminal(200, "xterm", [] {
    Progress progress(3600);
    progress.show(report(1199));
    progress.show(report(1200));
    progress.finish();
    progress.finish();
  });
  EXPECT_EQ(text, drawn(format_progress(report(1199))) + drawn(kLine) + "\r\n");
}

TEST(Progress, OnATerminalCutsToItsWidth) {
  const auto show = [] { Progress(3600).show(report(1200)); };
  EXPECT_EQ(on_terminal(40, "xterm", show), drawn(kLine.substr(0, 39)) + "\r\n");
  EXPECT_EQ(on_terminal(0, "xterm", show), drawn(kLine.substr(0, 79)) + "\r\n");
}

TEST(Progress, MessagesPassAboveTheLine) {
  const std::string text = on_terminal(200, "xterm", [] {
    Progress progress(3600);
    log::info("before it");
    progress.show(report(1200));
    log::warn("a message");
    progress.show(report(1200));
    progress.finish();
    log::info("after it");
  });
  EXPECT_EQ(text, "before it\r\n" + drawn(kLine) + drawn("") + "warning: a message\r\n" +
                      drawn(kLine) + drawn(kLine) + "\r\nafter it\r\n");
}

TEST(Progress, OfTwoLinesMessagesPassAboveTheNewer) {
  const std::string text = on_terminal(200, "xterm", [] {
    Progress older(3600);
    {
      Progress newer(3600);
      older.show(report(1));
      newer.show(report(1200));
      log::info("one");
    }
    log::info("two");  // no line is set; the destroyed one must not be called
  });
  EXPECT_EQ(text, drawn(format_progress(report(1))) + drawn(kLine) + drawn("") + "one\r\n" +
                      drawn(kLine) + "\r\ntwo\r\n\r\n");
}

TEST(Progress, WithoutATerminalMessagesMoveNothing) {
  ::testing::internal::CaptureStderr();
  {
    Progress progress(3600);
    progress.show(report(1200));
    log::info("a message");
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), kLine + "\na message\n");
}

TEST(Progress, ATerminalThatCannotMoveItsCursorGetsPlainLines) {
  EXPECT_EQ(on_terminal(200, "dumb", [] { Progress(3600).show(report(1200)); }), kLine + "\r\n");
}

}  // namespace
}  // namespace valley
