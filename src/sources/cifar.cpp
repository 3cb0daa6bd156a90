#include "sources/cifar.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/file_type.h"
#include "core/read_file.h"
#include "sources/archive_stream.h"
#include "sources/byte_rows.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSide = 32;
constexpr std::array<std::string_view, 5> kTrain10 = {"data_batch_1.bin", "data_batch_2.bin",
                                                      "data_batch_3.bin", "data_batch_4.bin",
                                                      "data_batch_5.bin"};
constexpr std::string_view kTest10 = "test_batch.bin";
constexpr std::string_view kTrain100 = "train.bin";
constexpr std::string_view kTest100 = "test.bin";
constexpr std::string_view kNames10 = "batches.meta.txt";
constexpr std::string_view kNames100 = "fine_label_names.txt";

std::string last_part(const std::string& path) { return fs::path(path).filename().string(); }

// The files by their last part.
using Files = std::map<std::string, std::shared_ptr<const ByteRange>, std::less<>>;

std::vector<std::string> lines_of(const ByteRange& bytes) {
  std::vector<std::string> lines;
  std::string line;
  for (const char c : text_of(bytes) + "\n") {
    if (c != '\n' && c != '\r') {
      line += c;
    } else if (!line.empty()) {
      lines.push_back(std::exchange(line, {}));
    }
  }
  return lines;
}

std::vector<std::string> wanted_files(bool is_100, CifarPart part) {
  std::vector<std::string> wanted;
  if (part != CifarPart::kTest) {
    if (is_100) {
      wanted.emplace_back(kTrain100);
    } else {
      wanted.assign(kTrain10.begin(), kTrain10.end());
    }
  }
  if (part != CifarPart::kTrain) wanted.emplace_back(is_100 ? kTest100 : kTest10);
  return wanted;
}

ImageArrays arrays_of(const Files& files, CifarPart part, const std::string& where) {
  const bool is_100 = files.contains(kTrain100) || files.contains(kTest100);
  const std::size_t label_bytes = is_100 ? 2 : 1;
  ImageArrays arrays;
  arrays.kind = "cifar";
  arrays.name = where;
  arrays.shape = {kSide, kSide, 3, true};
  const std::uint64_t record = label_bytes + arrays.shape.bytes();
  std::vector<RowPart> parts;
  for (const std::string& name : wanted_files(is_100, part)) {
    const auto found = files.find(name);
    if (found == files.end())
      throw Error(ExitCode::kData,
                  "{} lacks {}: it is not the whole binary version of CIFAR; download it again",
                  where, name);
    const ByteRange& bytes = *found->second;
    if (bytes.size() == 0 || bytes.size() % record != 0)
      throw Error(ExitCode::kData, "{}: {}: {} bytes are not a whole number of records of {} bytes",
                  where, name, bytes.size(), record);
    const std::string text = text_of(bytes);
    for (std::uint64_t at = label_bytes - 1; at < text.size(); at += record)
      arrays.labels.push_back(static_cast<unsigned char>(text[at]));
    parts.push_back({found->second, label_bytes, bytes.size() / record});
  }
  arrays.rows = std::make_unique<StridedRows>(std::move(parts), record);
  if (const auto names = files.find(is_100 ? kNames100 : kNames10); names != files.end())
    arrays.class_names = lines_of(*names->second);
  if (!arrays.class_names.empty() &&
      arrays.class_names.size() <=
          static_cast<std::size_t>(*std::ranges::max_element(arrays.labels)))
    arrays.class_names.clear();
  return arrays;
}

[[noreturn]] void fail_pickle(const std::string& where) {
  throw Error(ExitCode::kData,
              "{} is the pickle version of CIFAR, which only Python can read; download the binary "
              "version (cifar-10-binary.tar.gz or cifar-100-binary.tar.gz)",
              where);
}

bool is_binary(std::string_view name) {
  return std::ranges::find(kTrain10, name) != kTrain10.end() || name == kTest10 ||
         name == kTrain100 || name == kTest100;
}

// The pickle versions have the same names without ".bin"; those of CIFAR-100 also have a "meta".
bool is_pickle(const std::vector<std::string>& names) {
  const auto has = [&](std::string_view name) {
    return std::ranges::find(names, name) != names.end();
  };
  return has("data_batch_1") || (has("train") && has("test") && has("meta"));
}

}  // namespace

bool are_cifar_names(const std::vector<std::string>& names) {
  std::vector<std::string> parts;
  for (const std::string& name : names) parts.push_back(last_part(name));
  return std::ranges::any_of(parts, is_binary) || is_pickle(parts);
}

ImageArrays open_cifar_folder(const fs::path& folder, CifarPart part) {
  Files files;
  std::vector<std::string> names;
  std::error_code failure;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, failure)) {
    const std::string name = entry.path().filename().string();
    names.push_back(name);
    if (is_binary(name) || name == kNames10 || name == kNames100)
      files[name] = open_bytes(entry.path());
  }
  if (failure) throw file_error("listing", folder.string(), failure.value(), false);
  if (is_pickle(names)) fail_pickle(folder.string());
  return arrays_of(files, part, folder.string());
}

ImageArrays open_cifar_archive(const fs::path& archive, CifarPart part) {
  ArchiveStream stream(archive);
  Files files;
  std::vector<std::string> names;
  std::uint64_t bytes = 0;
  while (const std::optional<ArchiveMember> member = stream.next()) {
    const std::string name = last_part(member->path);
    names.push_back(name);
    if (member->reject || (!is_binary(name) && name != kNames10 && name != kNames100)) continue;
    bytes += member->bytes;
    if (bytes > kMaxUnpacked)
      throw Error(ExitCode::kData,
                  "{} holds more than 1 GiB, which would have to be in memory; unpack it, and name "
                  "the folder",
                  archive.string());
    std::string content;
    if (const std::optional<Reject> reject = stream.read(content))
      throw Error(ExitCode::kData, "{}: {}: {} ({})", archive.string(), name, reject->reason,
                  reject->detail);
    files[name] = bytes_in_memory(std::move(content));
  }
  if (is_pickle(names)) fail_pickle(archive.string());
  return arrays_of(files, part, archive.string());
}

}  // namespace valley
