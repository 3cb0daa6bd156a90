#include "data/positioned_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "core/read_file.h"
#include "data/pixel_sums.h"
#include "data/shard_fixture.h"

namespace valley {
namespace {

int g_failures = 0;  // remaining calls that fail
int g_error = 0;
int g_calls = 0;

::ssize_t failing_pread(int descriptor, void* buffer, std::size_t bytes, ::off_t offset) {
  ++g_calls;
  if (g_failures > 0) {
    --g_failures;
    errno = g_error;
    return -1;
  }
  return ::pread(descriptor, buffer, std::min<std::size_t>(bytes, 3), offset);  // short, too
}

class PositionedFileTest : public ShardTest {
 protected:
  void SetUp() override {
    ShardTest::SetUp();
    path_ = folder_ / "file";
    put_file(path_, "0123456789");
  }
  std::string read_with(int failures, int error) {
    g_failures = failures;
    g_error = error;
    g_calls = 0;
    const PositionedFile file =
        PositionedFile::open_to_read(path_, failing_pread, std::chrono::milliseconds(1));
    std::string text(5, '?');
    file.read_at(4, std::as_writable_bytes(std::span(text)));
    return text;
  }
  std::filesystem::path path_;
};

TEST_F(PositionedFileTest, ShortReadsAreCompleted) {
  EXPECT_EQ(read_with(0, 0), "45678");
  EXPECT_EQ(g_calls, 2);
}

// Where the file system drops pages on request: not on tmpfs.
TEST_F(PositionedFileTest, BytesThatAreNotCachedAreReadAhead) {
  constexpr std::uint64_t kBytes = 1 << 20;
  put_file(path_, std::string(kBytes, 'x'));
  const PositionedFile file = PositionedFile::open_to_read(path_);
  EXPECT_FALSE(file.will_need(0, kBytes));
  EXPECT_FALSE(file.will_need(5, 0));
  const int descriptor = ::open(path_.c_str(), O_RDONLY);
  ASSERT_GE(descriptor, 0);
  ASSERT_EQ(::fsync(descriptor), 0);
  ASSERT_EQ(::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED), 0);
  ::close(descriptor);
  if (!file.will_need(0, kBytes)) GTEST_SKIP() << "this file system keeps all pages";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (file.will_need(0, kBytes)) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "nothing was read";
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

TEST_F(PositionedFileTest, InterruptionsAreRetriedImmediately) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(read_with(100, EINTR), "45678");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
}

TEST_F(PositionedFileTest, TransientStorageFaultsAreRetried) {
  EXPECT_EQ(read_with(2, EIO), "45678");
  EXPECT_EQ(read_with(3, ESTALE), "45678");
  EXPECT_EQ(read_with(10, ETIMEDOUT), "45678");
}

TEST_F(PositionedFileTest, PermanentFaultsAreIoErrorsNamingTheFile) {
  testing::internal::CaptureStderr();
  expect_error(ExitCode::kIo, {path_.string(), "5 bytes at 4", "tried 11 times", "--resume"},
               [this] { read_with(1000, EIO); });
  EXPECT_EQ(g_calls, 11);
  const std::string warnings = testing::internal::GetCapturedStderr();
  EXPECT_NE(warnings.find(path_.string()), std::string::npos);
  EXPECT_EQ(warnings.find("trying again"), warnings.rfind("trying again")) << "once per file";
  EXPECT_LT(PositionedFile::kFirstPause * (1 << PositionedFile::kRetries),
            std::chrono::seconds(30));
}

TEST_F(PositionedFileTest, OtherFaultsAreNotRetried) {
  expect_error(ExitCode::kMissingInput, {path_.string()}, [this] { read_with(1, EBADF); });
  EXPECT_EQ(g_calls, 1);
}

TEST_F(PositionedFileTest, ReadBeyondTheEndIsADataError) {
  const PositionedFile file = PositionedFile::open_to_read(path_);
  std::string text(5, '?');
  expect_error(ExitCode::kData, {path_.string(), "ends at byte 10"},
               [&] { file.read_at(8, std::as_writable_bytes(std::span(text))); });
}

TEST_F(PositionedFileTest, WritesAtOffsetsAndGrows) {
  const PositionedFile file = PositionedFile::open_to_write(path_);
  file.write_at(8, as_bytes("ABCD"));
  file.sync();
  EXPECT_EQ(file.size(), 12U);
  EXPECT_EQ(read_file(path_), "01234567ABCD");
}

TEST_F(PositionedFileTest, AMissingFileIsNamed) {
  expect_error(ExitCode::kMissingInput, {"nothing"},
               [this] { PositionedFile::open_to_read(folder_ / "nothing"); });
}

TEST_F(PositionedFileTest, HashesOutsideOfARange) {
  const PositionedFile file = PositionedFile::open_to_read(path_);
  EXPECT_EQ(hash_outside(file, 3, 4), sha256_hex(as_bytes("012789")));
  EXPECT_EQ(hash_outside(file, 0, 10), sha256_hex({}));
  const FileHashes both = hash_whole_and_outside(file, 3, 4);
  EXPECT_EQ(both.whole, sha256_hex(as_bytes("0123456789")));
  EXPECT_EQ(both.outside, sha256_hex(as_bytes("012789")));
}

TEST(PixelSums, MatchAPlainLoopAtAllLengths) {
  for (const std::int64_t channels : {1, 3}) {
    for (const std::size_t pixels : {0, 1, 15, 16, 17, 100, 2000000}) {
      std::vector<std::byte> values(pixels * static_cast<std::size_t>(channels));
      PixelSums expected;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const std::uint64_t value = i % 7 == 0 ? 255 : mix64(i) % 256;
        values[i] = static_cast<std::byte>(value);
        expected.sum[i % static_cast<std::size_t>(channels)] += value;
        expected.sum_squares[i % static_cast<std::size_t>(channels)] += value * value;
      }
      PixelSums sums;
      sums.add(values, channels);
      EXPECT_EQ(sums.sum, expected.sum) << pixels;
      EXPECT_EQ(sums.sum_squares, expected.sum_squares) << pixels;
    }
  }
}

TEST(PixelSums, WhiteDoesNotOverflow) {
  const std::vector<std::byte> white(std::size_t{48} * 70000, std::byte{255});
  PixelSums sums;
  sums.add(white, 1);
  EXPECT_EQ(sums.sum_squares[0], 255ULL * 255 * white.size());
}

}  // namespace
}  // namespace valley
