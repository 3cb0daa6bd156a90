#include "data/shard_writer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"

namespace valley {
namespace {

constexpr std::uint64_t kCopyPiece = std::uint64_t{1} << 20U;

void copy(const PositionedFile& from, std::uint64_t from_offset, const PositionedFile& to,
          std::uint64_t to_offset, std::uint64_t bytes) {
  std::vector<std::byte> piece(std::min(kCopyPiece, bytes));
  for (std::uint64_t done = 0; done < bytes; done += piece.size()) {
    piece.resize(std::min(kCopyPiece, bytes - done));
    from.read_at(from_offset + done, piece);
    to.write_at(to_offset + done, piece);
  }
}

}  // namespace

ShardWriter::ShardWriter(std::filesystem::path directory, ShardHeader header,
                         std::uint64_t capacity, std::size_t name_width)
    : directory_(std::move(directory)), header_(std::move(header)), capacity_(capacity) {
  entry_.file = shard_file_name(header_.shard_index);
  entry_.global_offset = header_.global_offset;
  rows_.names = FixedStrings(name_width);
  temporary_ = temporary("tmp");
  entry_.data_offset = create_shard_file(temporary_, header_, capacity_, name_width);
  file_ = PositionedFile::open_to_write(temporary_);
}

ShardWriter::~ShardWriter() {
  std::error_code ignored;
  if (!temporary_.empty()) std::filesystem::remove(temporary_, ignored);
}

std::filesystem::path ShardWriter::temporary(std::string_view suffix) const {
  return directory_ / fmt::format(".{}.{}", shard_file_name(header_.shard_index), suffix);
}

void ShardWriter::add(const Decoded& image, std::string_view name, std::int64_t label) {
  VALLEY_CHECK(!is_full() && image.pixels.size() == header_.image_bytes());
  file_->write_at(entry_.data_offset + size() * header_.image_bytes(),
                  std::as_bytes(std::span(image.pixels)));
  rows_.names.push_back(name);
  rows_.labels.push_back(label);
  rows_.crc32c.push_back(image.crc32c);
  rows_.orig_size.push_back(image.orig_size);
  sums_.add(image.sums);
}

void ShardWriter::cut_to_size() {
  const std::filesystem::path smaller = temporary("cut.tmp");
  const std::uint64_t offset = create_shard_file(smaller, header_, size(), rows_.names.width());
  PositionedFile to = PositionedFile::open_to_write(smaller);
  copy(*file_, entry_.data_offset, to, offset, size() * header_.image_bytes());
  file_ = std::move(to);
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
  temporary_ = smaller;
  entry_.data_offset = offset;
}

ShardEntry ShardWriter::commit() {
  VALLEY_CHECK(size() > 0);
  if (!is_full()) cut_to_size();
  complete_shard_file(temporary_, rows_);
  file_->sync();
  entry_.images = size();
  set_sums(entry_, sums_, header_.channels);
  entry_.bytes = file_->size();
  FileHashes hashes =
      hash_whole_and_outside(*file_, entry_.data_offset, size() * header_.image_bytes());
  entry_.sha256 = std::move(hashes.whole);
  entry_.meta_sha256 = std::move(hashes.outside);
  std::error_code status;
  std::filesystem::rename(temporary_, directory_ / entry_.file, status);
  if (status)
    throw file_error("finishing", (directory_ / entry_.file).string(), status.value(), true);
  temporary_.clear();
  sync_directory(directory_);
  return entry_;
}

}  // namespace valley
