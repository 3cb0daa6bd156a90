#include "app/energy/files.h"

#include <fmt/core.h>

#include <bit>
#include <filesystem>

#include "app/csv_field.h"
#include "core/error.h"
#include "core/json_text.h"

namespace valley::app {
namespace {

std::string shortest_text(float value) { return fmt::format("{}", value); }

std::string energies_to_jsonl(const std::vector<EnergySet>& sets) {
  std::string text;
  for (const EnergySet& set : sets) {
    for (std::uint64_t i = 0; i < set.images->size(); ++i) {
      text += fmt::format(R"({{"index": {}, "name": {}, "label": {}, "energy": {})",
                          set.images->index(i), json_string(set.images->name(i)),
                          set.images->label(i), shortest_text(set.values()[i]));
      if (sets.size() > 1) text += fmt::format(R"(, "set": "{}")", set.name);
      text += "}\n";
    }
  }
  return text;
}

std::string energies_to_csv(const std::vector<EnergySet>& sets) {
  std::string text =
      sets.size() > 1 ? "index,name,label,energy,set\n" : "index,name,label,energy\n";
  for (const EnergySet& set : sets) {
    for (std::uint64_t i = 0; i < set.images->size(); ++i) {
      text += fmt::format("{},{},{},{}", set.images->index(i), csv_field(set.images->name(i)),
                          set.images->label(i), shortest_text(set.values()[i]));
      text += sets.size() > 1 ? "," + set.name + "\n" : "\n";
    }
  }
  return text;
}

std::string energies_to_npy(const std::vector<EnergySet>& sets) {
  static_assert(std::endian::native == std::endian::little, "the array is written as '<f4'");
  constexpr std::size_t kAlignment = 64;  // bytes
  constexpr std::size_t kPrelude = 10;    // magic, version, length of the header
  std::size_t count = 0;
  for (const EnergySet& set : sets) count += set.values().size();
  std::string header =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}", count);
  const std::size_t unpadded = kPrelude + header.size() + 1;
  header.append((kAlignment - unpadded % kAlignment) % kAlignment, ' ');
  header += '\n';
  std::string file("\x93NUMPY\x01\x00", 8);
  file += static_cast<char>(header.size() & 0xFFU);
  file += static_cast<char>(header.size() >> 8U);
  file += header;
  for (const EnergySet& set : sets) {
    const auto bytes = std::as_bytes(set.values());
    file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return file;
}

}  // namespace

EnergyFormat energy_format(const std::string& path) {
  const std::string ending = std::filesystem::path(path).extension().string();
  if (ending == ".jsonl") return EnergyFormat::kJsonl;
  if (ending == ".csv") return EnergyFormat::kCsv;
  if (ending == ".npy") return EnergyFormat::kNpy;
  throw Error(ExitCode::kUsage,
              "-o {}: the format follows from the file extension: use .jsonl, .csv or .npy", path);
}

std::string format_energies(EnergyFormat format, const std::vector<EnergySet>& sets) {
  switch (format) {
    case EnergyFormat::kJsonl:
      return energies_to_jsonl(sets);
    case EnergyFormat::kCsv:
      return energies_to_csv(sets);
    default:
      return energies_to_npy(sets);
  }
}

}  // namespace valley::app
