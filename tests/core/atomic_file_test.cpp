#include "core/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <iterator>
#include <string>
#include <utility>

#include "core/read_file.h"
#include "helpers.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

TEST(AtomicFile, IsAbsentBeforeCommitAndCompleteAfter) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "state.json";
  AtomicFile file(path);
  file.write("first ");
  EXPECT_FALSE(fs::exists(path));
  file.write("second");
  file.commit();
  EXPECT_EQ(read_file(path), "first second");
  EXPECT_EQ(folder.entries(), 1U);
}

TEST(AtomicFile, OldContentIsKeptUntilCommit) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "f";
  write_file(path, "a longer old content");
  {
    AtomicFile file(path);
    file.write("new");
    EXPECT_EQ(read_file(path), "a longer old content");
    file.commit();
  }
  EXPECT_EQ(read_file(path), "new");
}

TEST(AtomicFile, WithoutCommitNoFileIsLeft) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "f";
  {
    AtomicFile file(path);
    file.write("half");
    EXPECT_EQ(folder.entries(), 1U);  // the temporary file, in the same folder
  }
  EXPECT_EQ(folder.entries(), 0U);
}

TEST(AtomicFile, KilledWriterLeavesTheOldFileAndDoesNotBlockOthers) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "f";
  write_file(path, "old");
  const ::pid_t child = ::fork();
  if (child == 0) {
    AtomicFile file(path);
    file.write("half of the new");
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(read_file(path), "old");
  write_file(path, "new");
  EXPECT_EQ(read_file(path), "new");
}

TEST(AtomicFile, MoveTransfersTheCommit) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "f";
  {
    AtomicFile first(path);
    first.write("a");
    AtomicFile second(std::move(first));
    second.write("b");
    second.commit();
  }
  EXPECT_EQ(read_file(path), "ab");
  EXPECT_EQ(folder.entries(), 1U);
}

TEST(AtomicFile, NameWithoutFolderIsInTheWorkingDirectory) {
  const TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  write_file("bare", "x");
  fs::current_path(before);
  EXPECT_EQ(read_file(folder.path() / "bare"), "x");
}

TEST(AtomicFile, PreservesEveryByteValue) {
  const TemporaryFolder folder;
  std::string text(200001, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 % 256);
  write_file(folder.path() / "f", text);
  EXPECT_EQ(read_file(folder.path() / "f"), text);
  EXPECT_EQ(fs::file_size(folder.path() / "f"), text.size());
}

TEST(AtomicFile, MissingFolderIsCannotWrite) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "missing" / "f";
  const Error error = error_of([&] { write_file(path, "x"); });
  EXPECT_EQ(error.code(), ExitCode::kCannotWrite);
  EXPECT_EQ(std::string(error.what()), "creating " + path.string() + ": No such file or directory");
}

TEST(AtomicFile, DirectoryAtThePathIsRejectedWithoutLeftovers) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "f";
  fs::create_directories(path);
  const Error error = error_of([&] { write_file(path, "x"); });
  EXPECT_EQ(error.code(), ExitCode::kCannotWrite);
  EXPECT_TRUE(contains(error.what(), path.string() + " is a directory")) << error.what();
  EXPECT_EQ(folder.entries(), 1U);
}

// Root may write anywhere, so the test becomes an ordinary user for the call.
class OrdinaryUser {
 public:
  OrdinaryUser() : was_root_(::geteuid() == 0) {
    if (was_root_ && ::seteuid(kNobody) != 0) throw std::runtime_error("seteuid failed");
  }
  ~OrdinaryUser() {
    if (was_root_ && ::seteuid(0) != 0) std::abort();
  }
  OrdinaryUser(const OrdinaryUser&) = delete;
  OrdinaryUser& operator=(const OrdinaryUser&) = delete;

 private:
  static constexpr ::uid_t kNobody = 65534;
  bool was_root_;
};

TEST(AtomicFile, ReadOnlyFolderErrorNamesPermissions) {
  const TemporaryFolder folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0555), 0);
  const fs::path path = folder.path() / "f";
  const Error error = error_of([&] {
    const OrdinaryUser user;
    write_file(path, "x");
  });
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
  EXPECT_EQ(error.code(), ExitCode::kCannotWrite);
  EXPECT_TRUE(contains(error.what(), "creating " + path.string())) << error.what();
  EXPECT_TRUE(contains(error.what(), "Permission denied")) << error.what();
  EXPECT_TRUE(contains(error.what(), "check the permissions")) << error.what();
}

// A limit on file size fails a write half way, like a full disk.
TEST(AtomicFile, WriteBeyondFreeSpaceNamesTheBytesAndKeepsTheOldFile) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "f";
  write_file(path, "old");
  ::rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  ::rlimit small = before;
  small.rlim_cur = 4096;
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Error error = error_of([&] { write_file(path, std::string(10000, 'x')); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(error.code(), ExitCode::kCannotWrite);
  // The first 4096 were written; the error names the others.
  EXPECT_EQ(std::string(error.what()),
            "writing 5904 bytes to " + path.string() +
                ": File too large; raise the limit on the size of files (ulimit -f), or write to a "
                "file system that holds larger ones");
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(folder.entries(), 1U);
}

TEST(ReadFile, AMissingFileIsAMissingInput) {
  const Error error = error_of([] { (void)read_file("nowhere/config.toml"); });
  EXPECT_EQ(error.code(), ExitCode::kMissingInput);
  EXPECT_STREQ(error.what(), "opening nowhere/config.toml: No such file or directory");
}

TEST(ReadFile, AFolderIsAMissingInput) {
  const TemporaryFolder folder;
  const Error error = error_of([&] { (void)read_file(folder.path()); });
  EXPECT_EQ(error.code(), ExitCode::kMissingInput);
  EXPECT_TRUE(contains(error.what(), "reading " + folder.path().string())) << error.what();
}

TEST(ReadFile, AnEmptyFileIsEmpty) {
  const TemporaryFolder folder;
  write_file(folder.path() / "f", "");
  EXPECT_EQ(read_file(folder.path() / "f"), "");
}

TEST(SyncDirectory, AcceptsAFolderAndRejectsAMissingOne) {
  const TemporaryFolder folder;
  EXPECT_NO_THROW(sync_directory(folder.path()));
  const Error error = error_of([&] { sync_directory(folder.path() / "missing"); });
  EXPECT_EQ(error.code(), ExitCode::kCannotWrite);
}

TEST(AtomicFile, SpecialFilesAreNotReplaced) {
  const TemporaryFolder folder;
  const fs::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  fs::create_directory_symlink(folder.path(), folder.path() / "link");
  for (const fs::path& path :
       {pipe, folder.path(), folder.path() / "link", folder.path() / "", fs::path()}) {
    EXPECT_EQ(error_of([&] { write_file(path, "text"); }).code(), ExitCode::kCannotWrite) << path;
    EXPECT_EQ(error_of([&] { require_writable(path); }).code(), ExitCode::kCannotWrite) << path;
  }
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_EQ(folder.entries(), 2U);
}

TEST(AtomicFile, WritesTheTargetOfALink) {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / "real");
  write_file(folder.path() / "real" / "f", "old");
  fs::create_symlink("real/f", folder.path() / "relative");
  fs::create_symlink(folder.path() / "real" / "f", folder.path() / "absolute");
  fs::create_symlink("relative", folder.path() / "chain");
  fs::create_symlink("real/new", folder.path() / "dangling");
  for (const char* link : {"relative", "absolute", "chain", "dangling"}) {
    EXPECT_NO_THROW(require_writable(folder.path() / link)) << link;
    write_file(folder.path() / link, link);
    EXPECT_TRUE(fs::is_symlink(folder.path() / link)) << link;
    EXPECT_EQ(read_file(folder.path() / link), link);
    EXPECT_EQ(read_file(folder.path() / "real" / (link == std::string("dangling") ? "new" : "f")),
              link);
  }
  EXPECT_EQ(folder.entries(), 5U);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path() / "real"), {}), 2);
}

TEST(AtomicFile, LinksWithoutATargetThatCanBeWrittenAreRejectedAndKept) {
  const TemporaryFolder folder;
  fs::create_symlink("loop", folder.path() / "loop");
  fs::create_symlink("two", folder.path() / "one");
  fs::create_symlink("one", folder.path() / "two");
  fs::create_symlink("none/f", folder.path() / "nowhere");
  for (const char* link : {"loop", "one", "nowhere"}) {
    const fs::path path = folder.path() / link;
    const Error error = error_of([&] { write_file(path, "text"); });
    EXPECT_EQ(error.code(), ExitCode::kCannotWrite);
    EXPECT_TRUE(contains(error.what(), path.string())) << error.what();
    EXPECT_EQ(contains(error.what(), "form a loop"), link != std::string("nowhere"))
        << error.what();
    EXPECT_EQ(error_of([&] { require_writable(path); }).code(), ExitCode::kCannotWrite);
    EXPECT_TRUE(fs::is_symlink(path));
  }
  EXPECT_EQ(folder.entries(), 4U);
}

TEST(AtomicFile, ReplacedFileKeepsItsPermissions) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "f";
  fs::create_symlink("f", folder.path() / "link");
  for (const ::mode_t mode : {0600U, 0664U, 0444U, 0755U}) {
    write_file(path, "old");
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    write_file(folder.path() / "link", "new");
    struct ::stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, mode);
  }
}

TEST(AtomicFile, OpenFileOfTheProcessIsWrittenDirectly) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  for (const char* folder : {"/dev/fd/", "/proc/self/fd/"}) {
    const fs::path path = folder + std::to_string(ends[1]);
    EXPECT_NO_THROW(require_writable(path));
    write_file(path, "text");
    std::array<char, 8> read{};
    ASSERT_EQ(::read(ends[0], read.data(), read.size()), 4);
    EXPECT_STREQ(read.data(), "text");
  }
  for (const int end : ends) ::close(end);
}

TEST(AtomicFile, RequireWritableCreatesNothing) {
  const TemporaryFolder folder;
  EXPECT_NO_THROW(require_writable(folder.path() / "f"));
  EXPECT_EQ(error_of([&] { require_writable(folder.path() / "none" / "f"); }).code(),
            ExitCode::kCannotWrite);
  write_file(folder.path() / "f", "old");
  EXPECT_NO_THROW(require_writable(folder.path() / "f"));
  EXPECT_EQ(error_of([&] { require_writable(folder.path() / "f" / "g"); }).code(),
            ExitCode::kCannotWrite);
  EXPECT_EQ(read_file(folder.path() / "f"), "old");
  EXPECT_EQ(folder.entries(), 1U);
}

}  // namespace
}  // namespace valley
