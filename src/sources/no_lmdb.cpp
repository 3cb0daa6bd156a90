// Replaces lmdb_files.cpp in a build without LMDB.
#include "core/error.h"
#include "core/file_type.h"
#include "sources/lmdb_files.h"

namespace valley {

class LmdbEnvironment {};

LmdbFiles::LmdbFiles(std::filesystem::path folder) : folder_(std::move(folder)) {
  throw Error(ExitCode::kData,
              "{}: this valley was built without LMDB; install liblmdb-dev and build again",
              folder_.string());
}
LmdbFiles::~LmdbFiles() = default;
std::unique_ptr<FileReader> LmdbFiles::open_reader() const { return nullptr; }
std::string LmdbFiles::place_of(std::string_view path) const { return std::string(path); }

bool is_lmdb(const std::filesystem::path& folder) { return is_there(folder / "data.mdb"); }

}  // namespace valley
