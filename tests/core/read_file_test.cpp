#include "core/read_file.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "core/atomic_file.h"
#include "core/hash.h"
#include "helpers.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

const ReadRules kPipes{.takes_pipes = true};

std::string error_text(const fs::path& path, ExitCode code, const ReadRules& rules = {}) {
  const Error error = error_of([&] { static_cast<void>(read_file(path, rules)); });
  EXPECT_EQ(error.code(), code) << error.what();
  return error.what();
}

TEST(ReadFile, NamedPipeIsReadUntilItsWriterCloses) {
  const TemporaryFolder folder;
  const fs::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::string sent(300'000, 'x');  // more than the capacity of a pipe
  std::thread writer([&] { std::ofstream(pipe) << sent; });
  const std::string got = read_file(pipe, kPipes);
  writer.join();
  EXPECT_EQ(got, sent);
}

TEST(ReadFile, APipeIsRejectedWithoutWaitingWhereAFileIsExpected) {
  const TemporaryFolder folder;
  const fs::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_TRUE(contains(error_text(pipe, ExitCode::kMissingInput), "is a pipe"));
  EXPECT_EQ(error_of([&] { static_cast<void>(sha256_of_file(pipe)); }).code(),
            ExitCode::kMissingInput);
}

TEST(ReadFile, DevicesDirectoriesAndSocketsAreRejected) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "socket";
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ::sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket, reinterpret_cast<const ::sockaddr*>(&address), sizeof address), 0);
  for (const ReadRules& rules : {ReadRules{}, kPipes}) {
    for (const char* device : {"/dev/zero", "/dev/null", "/dev/random"})
      EXPECT_TRUE(contains(error_text(device, ExitCode::kMissingInput, rules), "is a device"));
    EXPECT_TRUE(
        contains(error_text(folder.path(), ExitCode::kMissingInput, rules), "is a directory"));
    EXPECT_TRUE(contains(error_text(path, ExitCode::kMissingInput, rules), "is a socket"));
  }
  ::close(socket);
}

TEST(ReadFile, FilesAndPipesBeyondTheLimitAreRejected) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "f";
  write_file(file, "12345");
  EXPECT_EQ(read_file(file, {.max_bytes = 5}), "12345");
  EXPECT_TRUE(contains(
      error_text(file, ExitCode::kConfig, {.max_bytes = 4, .too_large = ExitCode::kConfig}),
      "more than 4 bytes"));
  const fs::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe) << "12345"; });
  error_text(pipe, ExitCode::kData, {.max_bytes = 4, .takes_pipes = true});
  writer.join();
  fs::resize_file(file, kMaxTextBytes + 1);  // sparse: rejected by its size, not read
  error_text(file, ExitCode::kData);
}

TEST(ReadFile, FilesWhoseSizeIsUnknownAreReadToTheEnd) {
  EXPECT_GT(read_file("/proc/self/status").size(), 100U);  // its size is 0
}

TEST(ReadFile, AMissingPathThatStartsWithATildeGetsAHint) {
  EXPECT_TRUE(contains(error_text("~/no/such.toml", ExitCode::kMissingInput),
                       "only a shell replaces \"~\""));
  EXPECT_FALSE(contains(error_text("/no/~such.toml", ExitCode::kMissingInput), "shell"));
}

}  // namespace
}  // namespace valley
