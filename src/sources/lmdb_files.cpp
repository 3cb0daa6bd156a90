#include "sources/lmdb_files.h"

#include <lmdb.h>

#include <cerrno>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/file_type.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDataFile = "data.mdb";

}  // namespace

// A database that is open for reading, without locks: its folder may be read-only, and nobody
// writes to it while it is a source.
class LmdbEnvironment {
 public:
  explicit LmdbEnvironment(fs::path folder) : folder_(std::move(folder)) {
    check(::mdb_env_create(&environment_), "opening");
    const int status =
        ::mdb_env_open(environment_, folder_.c_str(), MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0);
    try {
      check(status, "opening");
      require_whole();
    } catch (...) {
      ::mdb_env_close(environment_);
      throw;
    }
  }
  ~LmdbEnvironment() { ::mdb_env_close(environment_); }
  LmdbEnvironment(const LmdbEnvironment&) = delete;
  LmdbEnvironment& operator=(const LmdbEnvironment&) = delete;

  [[nodiscard]] ::MDB_env* get() const { return environment_; }
  void check(int status, const char* doing) const {
    if (status == MDB_SUCCESS) return;
    const bool is_storage = status == EIO || status == ESTALE;
    throw Error(is_storage         ? ExitCode::kIo
                : status == ENOENT ? ExitCode::kMissingInput
                                   : ExitCode::kData,
                "{}: {} the LMDB database: {}", folder_.string(), doing, ::mdb_strerror(status));
  }

 private:
  // Pages beyond the end of a truncated file would end the process with SIGBUS.
  void require_whole() const {
    ::MDB_envinfo info;
    ::MDB_stat stat;
    check(::mdb_env_info(environment_, &info), "reading");
    check(::mdb_env_stat(environment_, &stat), "reading");
    std::error_code failure;
    const std::uint64_t bytes = fs::file_size(folder_ / kDataFile, failure);
    const std::uint64_t needed = (std::uint64_t{info.me_last_pgno} + 1) * stat.ms_psize;
    if (!failure && bytes < needed)
      throw Error(ExitCode::kData,
                  "{}: the LMDB database is truncated: {} of {} bytes; copy it again",
                  (folder_ / kDataFile).string(), bytes, needed);
  }

  fs::path folder_;
  ::MDB_env* environment_ = nullptr;
};

namespace {

// A view of the database at one time.
class Transaction {
 public:
  explicit Transaction(const LmdbEnvironment& environment) : environment_(environment) {
    environment.check(::mdb_txn_begin(environment.get(), nullptr, MDB_RDONLY, &transaction_),
                      "reading");
    environment.check(::mdb_dbi_open(transaction_, nullptr, 0, &database_), "reading");
  }
  ~Transaction() { ::mdb_txn_abort(transaction_); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  [[nodiscard]] ::MDB_txn* get() const { return transaction_; }
  [[nodiscard]] ::MDB_dbi database() const { return database_; }

 private:
  const LmdbEnvironment& environment_;
  ::MDB_txn* transaction_ = nullptr;
  ::MDB_dbi database_ = 0;
};

class LmdbReader final : public FileReader {
 public:
  LmdbReader(const LmdbEnvironment& environment, const std::vector<FileEntry>& entries)
      : environment_(environment), transaction_(environment), entries_(entries) {}
  [[nodiscard]] std::optional<Reject> read(std::uint64_t index, std::string& content) override {
    const std::string& path = entries_[index].path;
    ::MDB_val key{path.size(), const_cast<char*>(path.data())};
    ::MDB_val value{};
    const int status = ::mdb_get(transaction_.get(), transaction_.database(), &key, &value);
    if (status == MDB_NOTFOUND) return Reject{"changed", "its key is no longer there"};
    environment_.check(status, "reading");
    content.assign(static_cast<const char*>(value.mv_data), value.mv_size);
    return std::nullopt;
  }

 private:
  const LmdbEnvironment& environment_;
  Transaction transaction_;
  const std::vector<FileEntry>& entries_;
};

}  // namespace

LmdbFiles::LmdbFiles(fs::path folder)
    : folder_(std::move(folder)), environment_(std::make_unique<LmdbEnvironment>(folder_)) {
  const Transaction transaction(*environment_);
  ::MDB_cursor* cursor = nullptr;
  environment_->check(::mdb_cursor_open(transaction.get(), transaction.database(), &cursor),
                      "reading");
  const std::unique_ptr<::MDB_cursor, decltype(&::mdb_cursor_close)> closer(cursor,
                                                                            &::mdb_cursor_close);
  ::MDB_val key{};
  ::MDB_val value{};
  int status = MDB_SUCCESS;
  while ((status = ::mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == MDB_SUCCESS)
    entries_.push_back({std::string(static_cast<const char*>(key.mv_data), key.mv_size),
                        value.mv_size, 0, std::nullopt});
  if (status != MDB_NOTFOUND) environment_->check(status, "listing");
}

LmdbFiles::~LmdbFiles() = default;

std::unique_ptr<FileReader> LmdbFiles::open_reader() const {
  return std::make_unique<LmdbReader>(*environment_, entries_);
}

std::string LmdbFiles::place_of(std::string_view path) const {
  return fmt::format("{}: {}", folder_.string(), path);
}

bool is_lmdb(const fs::path& folder) { return is_there(folder / kDataFile); }

}  // namespace valley
