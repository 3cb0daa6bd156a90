#include "core/file_system.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "helpers.h"

namespace valley {
namespace {

constexpr int kEnotsupp = 524;

TEST(FileSystem, UnsupportedOperationsAreDistinguishedFromFailures) {
  for (const int number : {EINVAL, ENOSYS, ENOTSUP, EOPNOTSUPP, ENOTTY, kEnotsupp}) {
    EXPECT_TRUE(is_unsupported(number)) << number;
    EXPECT_TRUE(has_no_locks(number)) << number;
  }
  for (const int number : {ENOLCK, EREMOTEIO}) {
    EXPECT_FALSE(is_unsupported(number)) << number;
    EXPECT_TRUE(has_no_locks(number)) << number;
  }
  for (const int number : {0, EIO, ENOSPC, EDQUOT, ESTALE, EACCES, EAGAIN, EINTR, EROFS})
    EXPECT_FALSE(has_no_locks(number)) << number;
}

TEST(FileSystem, EnotsuppHasAText) {
  EXPECT_EQ(error_text(kEnotsupp), "Operation not supported");
  EXPECT_EQ(error_text(EIO), "Input/output error");
}

// A pipe cannot be flushed: fsync() fails with EINVAL.
TEST(FileSystem, UnsupportedFlushIsReportedOnceAndIgnored) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  testing::internal::CaptureStderr();
  flush_file(ends[1], "the file");
  flush_file(ends[1], "the file");
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(contains(said, "the file system of the file cannot flush files")) << said;
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  for (const int end : ends) ::close(end);
}

TEST(FileSystem, FailedFlushIsAnError) {
  const Error error = error_of([] { flush_file(-1, "f"); });
  EXPECT_EQ(error.code(), ExitCode::kCannotWrite);
  EXPECT_TRUE(contains(error.what(), "flushing f")) << error.what();
}

}  // namespace
}  // namespace valley
