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
                         std::uint64_t capacity, std::size_t name_width, std::string chunk_writer)
    : directory_(std::move(directory)),
      header_(std::move(header)),
      capacity_(capacity),
      chunk_writer_(std::move(chunk_writer)) {
  entry_.file = chunk_writer_.empty() ? shard_file_name(header_.shard_index)
                                      : chunk_file_name(header_.shard_index);
  entry_.global_offset = header_.global_offset;
  rows_.names = FixedStrings(name_width);
  if (header_.storage.is_encoded()) {
    temporary_ = temporary("records.tmp");
    file_ = PositionedFile::create(temporary_);
    rows_.offsets.push_back(0);
    return;
  }
  temporary_ = temporary("tmp");
  entry_.data_offset = create_shard_file(temporary_, header_, capacity_, name_width, 0);
  file_ = PositionedFile::open_to_write(temporary_);
}

ShardWriter::~ShardWriter() {
  std::error_code ignored;
  if (!temporary_.empty()) std::filesystem::remove(temporary_, ignored);
}

std::filesystem::path ShardWriter::temporary(std::string_view suffix) const {
  const std::string writer = chunk_writer_.empty() ? "" : fmt::format("chunk.{}.", chunk_writer_);
  return directory_ / fmt::format(".{}.{}{}", shard_file_name(header_.shard_index), writer, suffix);
}

void ShardWriter::add(const Decoded& image, std::string_view name, std::int64_t label,
                      std::span<const float> label_vector) {
  const bool is_encoded = header_.storage.is_encoded();
  VALLEY_CHECK(!is_full());
  VALLEY_CHECK(is_encoded ? !image.record.empty() : image.record.size() == header_.image_bytes());
  file_->write_at(entry_.data_offset + record_bytes_, std::as_bytes(std::span(image.record)));
  record_bytes_ += image.record.size();
  if (is_encoded) {
    rows_.offsets.push_back(record_bytes_);
    rows_.codecs.push_back(image.codec);
  }
  rows_.names.push_back(name);
  rows_.labels.push_back(label);
  VALLEY_CHECK(label_vector.size() == header_.label_vector_names.size());
  rows_.label_vectors.insert(rows_.label_vectors.end(), label_vector.begin(), label_vector.end());
  rows_.crc32c.push_back(image.crc32c);
  rows_.orig_size.push_back(image.orig_size);
  sums_.add(image.sums);
}

void ShardWriter::copy_to_final_size() {
  const std::filesystem::path whole = temporary("cut.tmp");
  const std::uint64_t offset =
      create_shard_file(whole, header_, size(), rows_.names.width(), record_bytes_);
  PositionedFile to = PositionedFile::open_to_write(whole);
  copy(*file_, entry_.data_offset, to, offset, record_bytes_);
  file_ = std::move(to);
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
  temporary_ = whole;
  entry_.data_offset = offset;
}

ShardEntry ShardWriter::commit() {
  VALLEY_CHECK(size() > 0);
  if (!is_full() || header_.storage.is_encoded()) copy_to_final_size();
  complete_shard_file(temporary_, rows_);
  file_->sync();
  entry_.images = size();
  set_sums(entry_, sums_, header_.channels);
  entry_.bytes = file_->size();
  entry_.data_bytes = record_bytes_;
  FileHashes hashes = hash_whole_and_outside(*file_, entry_.data_offset, entry_.data_bytes);
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
