#include "core/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <stdexcept>

#include "helpers.h"

namespace valley {
namespace {

TEST(Error, CarriesItsCodeAndAFormattedMessage) {
  const Error error(ExitCode::kData, "shard {} of {}", 3, "train");
  EXPECT_EQ(error.code(), ExitCode::kData);
  EXPECT_STREQ(error.what(), "shard 3 of train");
}

TEST(Error, ExitCodesAreTheDocumentedNumbers) {
  EXPECT_EQ(static_cast<int>(ExitCode::kDone), 0);
  EXPECT_EQ(static_cast<int>(ExitCode::kInternal), 1);
  EXPECT_EQ(static_cast<int>(ExitCode::kUsage), 2);
  EXPECT_EQ(static_cast<int>(ExitCode::kConfig), 64);
  EXPECT_EQ(static_cast<int>(ExitCode::kData), 65);
  EXPECT_EQ(static_cast<int>(ExitCode::kMissingInput), 66);
  EXPECT_EQ(static_cast<int>(ExitCode::kDiverged), 70);
  EXPECT_EQ(static_cast<int>(ExitCode::kOutOfMemory), 71);
  EXPECT_EQ(static_cast<int>(ExitCode::kCannotWrite), 73);
  EXPECT_EQ(static_cast<int>(ExitCode::kIo), 74);
  EXPECT_EQ(static_cast<int>(ExitCode::kStoppedEarly), 75);
  EXPECT_EQ(static_cast<int>(ExitCode::kRankLost), 76);
}

TEST(FileError, NamesOperationPathAndReason) {
  const Error error = file_error("opening", "shards/a.h5", ENOENT, false);
  EXPECT_EQ(error.code(), ExitCode::kMissingInput);
  EXPECT_STREQ(error.what(), "opening shards/a.h5: No such file or directory");
}

TEST(FileError, FailedWritesAreCannotWriteWithAdvice) {
  for (const int number : {ENOSPC, EDQUOT, EACCES, EPERM, EROFS, ENOENT, EFBIG})
    EXPECT_EQ(file_error("writing", "f", number, true).code(), ExitCode::kCannotWrite) << number;
  EXPECT_TRUE(contains(file_error("writing", "f", ENOSPC, true).what(), "free some space"));
  EXPECT_TRUE(contains(file_error("writing", "f", EDQUOT, true).what(), "quota is used up"));
  EXPECT_TRUE(contains(file_error("writing", "f", EACCES, true).what(), "check the permissions"));
  EXPECT_TRUE(contains(file_error("writing", "f", EROFS, true).what(), "mounted read-only"));
}

TEST(FileError, FailingDeviceIsIoForReadsAndWrites) {
  for (const bool writing : {false, true}) {
    EXPECT_EQ(file_error("on", "f", EIO, writing).code(), ExitCode::kIo);
    EXPECT_EQ(file_error("on", "f", ESTALE, writing).code(), ExitCode::kIo);
  }
}

TEST(FaultOf, DistinguishesPathsLimitsAndStorage) {
  for (const int number : {ENOENT, ENOTDIR, EACCES, EPERM, ELOOP, ENAMETOOLONG})
    EXPECT_EQ(fault_of(number), FileFault::kPath) << number;
  for (const int number : {ENOSPC, EDQUOT, EROFS, EFBIG, EMFILE, ENFILE, ENOMEM})
    EXPECT_EQ(fault_of(number), FileFault::kLimit) << number;
  constexpr int kUnknown = 4000;
  for (const int number : {EIO, ESTALE, ENXIO, ENODEV, EREMOTEIO, ETIMEDOUT, ENOTCONN, EHOSTDOWN,
                           ECONNRESET, EUCLEAN, EBADMSG, ENODATA, kUnknown}) {
    EXPECT_EQ(fault_of(number), FileFault::kStorage) << number;
    EXPECT_EQ(file_error("on", "f", number, false).code(), ExitCode::kIo) << number;
    EXPECT_EQ(file_error("on", "f", number, true).code(), ExitCode::kIo) << number;
  }
}

TEST(FileError, APathWithBracesIsNotAFormat) {
  EXPECT_STREQ(file_error("opening", "{0}", ENOENT, false).what(),
               "opening {0}: No such file or directory");
}

TEST(Check, FailureNamesFileAndLine) {
  EXPECT_NO_THROW(VALLEY_CHECK(1 + 1 == 2));
  try {
    VALLEY_CHECK(1 + 1 == 3);
    FAIL() << "nothing was thrown";
  } catch (const std::logic_error& error) {
    EXPECT_TRUE(contains(error.what(), "1 + 1 == 3")) << error.what();
    EXPECT_TRUE(contains(error.what(), "error_test.cpp:")) << error.what();
  }
}

}  // namespace
}  // namespace valley
