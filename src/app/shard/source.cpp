#include "app/shard/source.h"

#include <fmt/ranges.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <filesystem>
#include <string_view>
#include <utility>

#include "app/options.h"
#include "core/error.h"
#include "core/file_type.h"
#include "core/log.h"
#include "sources/array_source.h"
#include "sources/cifar.h"
#include "sources/codepoints.h"
#include "sources/encoded_source.h"
#include "sources/folder_files.h"
#include "sources/font_source.h"
#include "sources/hdf5_arrays.h"
#include "sources/idx.h"
#include "sources/label_vectors.h"
#include "sources/listed_files.h"
#include "sources/lmdb_files.h"
#include "sources/member_names.h"
#include "sources/numpy_files.h"
#include "sources/renamed_classes.h"
#include "sources/several_sources.h"
#include "sources/source_kind.h"
#include "sources/tar_files.h"
#include "sources/zip_files.h"

namespace valley::app {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTablePrefix = "csv:";

// All ranks of a build open the source.
void warn_on_rank_zero(const std::string& text) { log::write(log::Level::kWarning, false, text); }

// Options that a kind of source does not have.
void reject_options(const SourceArguments& arguments, const std::string& source,
                    const std::string& kind, const std::vector<std::string>& allowed) {
  const std::pair<const char*, bool> given[] = {{"--codepoints", arguments.codepoints.has_value()},
                                                {"--labels", arguments.labels.has_value()},
                                                {"--exif", arguments.exif.has_value()},
                                                {"--min-size", arguments.min_size.has_value()},
                                                {"--max-pixels", arguments.max_pixels.has_value()},
                                                {"--dataset", arguments.dataset.has_value()},
                                                {"--part", arguments.part.has_value()},
                                                {"--transpose", arguments.transpose},
                                                {"--alpha error", arguments.alpha == "error"}};
  for (const auto& [option, is_given] : given)
    if (is_given && std::ranges::find(allowed, option) == allowed.end())
      throw Error(ExitCode::kUsage,
                  "{} does not apply to --source {}, which is {}; leave the option out", option,
                  source, kind);
}

std::unique_ptr<ImageSource> open_font(const SourceArguments& arguments, const std::string& source,
                                       const BuildOptions& options) {
  reject_options(arguments, source, "a font", {"--codepoints"});
  FontOptions font;
  font.size = std::max(options.target.height, options.target.width);
  font.on_white = arguments.alpha == "white";
  if (arguments.codepoints) font.codepoints = parse_codepoints(*arguments.codepoints);
  return std::make_unique<FontSource>(find_font(source), font);
}

std::unique_ptr<ImageSource> open_encoded(const SourceArguments& arguments,
                                          const std::string& source, const std::string& kind,
                                          std::unique_ptr<FileCollection> files,
                                          const BuildOptions& options) {
  reject_options(arguments, source, kind,
                 {"--labels", "--exif", "--min-size", "--max-pixels", "--alpha error"});
  EncodedOptions encoded;
  encoded.decode.alpha = arguments.alpha == "error"   ? Alpha::kError
                         : arguments.alpha == "black" ? Alpha::kOnBlack
                                                      : Alpha::kOnWhite;
  encoded.decode.apply_exif = arguments.exif.value_or("apply") == "apply";
  encoded.labels = parse_labels(arguments.labels.value_or("auto"));
  encoded.min_size = arguments.min_size.value_or(encoded.min_size);
  encoded.max_pixels = arguments.max_pixels.value_or(encoded.max_pixels);
  encoded.jobs = options.jobs;
  auto opened = std::make_unique<EncodedSource>(std::move(files), encoded);
  for (const std::string& note : opened->notes()) log::info("{}: {}", source, note);
  if (!opened->label_warning().empty())
    warn_on_rank_zero(fmt::format("{}: {}", source, opened->label_warning()));
  if (opened->size() == 0)
    throw Error(ExitCode::kData,
                "{} holds no file whose name ends in .png, .jpg, .jpeg, .jpe or .webp", source);
  return opened;
}

std::unique_ptr<ImageSource> open_arrays(const SourceArguments& arguments,
                                         const std::string& source, ImageArrays arrays) {
  const std::string labels = arguments.labels.value_or("auto");
  if (labels != "auto" && labels != "none")
    throw Error(
        ExitCode::kUsage,
        "--labels {}: the images of {} have no paths; write auto (the labels beside them) or "
        "none",
        labels, source);
  if (arguments.transpose) {
    std::swap(arrays.shape.height, arrays.shape.width);
    arrays.shape.is_transposed = true;
  }
  auto opened = std::make_unique<ArraySource>(std::move(arrays), labels == "auto");
  for (const std::string& note : opened->notes()) log::info("{}: {}", source, note);
  return opened;
}

CifarPart cifar_part(const SourceArguments& arguments) {
  const std::string part = arguments.part.value_or("train");
  return part == "all" ? CifarPart::kAll : part == "test" ? CifarPart::kTest : CifarPart::kTrain;
}

std::unique_ptr<ImageSource> open_one(const SourceArguments& arguments, const std::string& source,
                                      const BuildOptions& options) {
  const auto encoded = [&](const std::string& kind, std::unique_ptr<FileCollection> files) {
    return open_encoded(arguments, source, kind, std::move(files), options);
  };
  if (source.starts_with(kTablePrefix)) {
    const LabelOptions table = parse_labels(source);
    return encoded("a table of paths", std::make_unique<ListedFiles>(table.file, table.column));
  }
  const SourceKind kind = kind_of_source(source);
  const auto arrays = [&](std::vector<std::string> allowed, const auto& open) {
    allowed.emplace_back("--labels");
    reject_options(arguments, source, describe(kind), allowed);
    return open_arrays(arguments, source, open());
  };
  switch (kind) {
    case SourceKind::kFolder:
      return encoded(describe(kind), std::make_unique<FolderFiles>(source));
    case SourceKind::kLmdb:
      return encoded(describe(kind), std::make_unique<LmdbFiles>(source));
    case SourceKind::kZip:
      return encoded(describe(kind), std::make_unique<ZipFiles>(source));
    case SourceKind::kTar: {
      const std::vector<std::string> paths =
          is_there(source) ? std::vector{source} : expand_braces(source);
      return encoded(describe(kind),
                     std::make_unique<TarFiles>(std::vector<fs::path>(paths.begin(), paths.end())));
    }
    case SourceKind::kCifarFolder:
      return arrays({"--part"}, [&] { return open_cifar_folder(source, cifar_part(arguments)); });
    case SourceKind::kCifarArchive:
      return arrays({"--part"}, [&] { return open_cifar_archive(source, cifar_part(arguments)); });
    case SourceKind::kIdx:
      return arrays({"--transpose"}, [&] { return open_idx(source); });
    case SourceKind::kNpy:
      return arrays({"--transpose"}, [&] { return open_npy(source); });
    case SourceKind::kNpz:
      return arrays({"--dataset", "--transpose"},
                    [&] { return open_npz(source, arguments.dataset); });
    case SourceKind::kHdf5:
      return arrays({"--dataset"}, [&] { return open_hdf5(source, arguments.dataset); });
    case SourceKind::kFont:
      break;
  }
  return open_font(arguments, source, options);
}

// A source without any labels is valid; one with labels for a part of its images is not. With
// --require-labels every image must have one.
void check_labels(const ImageSource& source, const SourceArguments& arguments) {
  std::uint64_t unlabeled = 0;
  std::uint64_t first = 0;
  for (std::uint64_t i = source.size(); i-- > 0;) {
    if (source.label(i) >= 0) continue;
    ++unlabeled;
    first = i;
  }
  if (unlabeled == 0 || (unlabeled == source.size() && !arguments.require_labels)) return;
  const std::string what = fmt::format("{} of {} images have no label, such as {}", unlabeled,
                                       source.size(), source.name(first));
  if (arguments.require_labels)
    throw Error(ExitCode::kData,
                "{}: {}, but --require-labels is set: put them into class folders, or list them in "
                "the file of --labels json:FILE",
                fmt::join(arguments.sources, ", "), what);
  warn_on_rank_zero(
      fmt::format("{}: {}; they are stored with label -1 (--require-labels makes this an error)",
                  fmt::join(arguments.sources, ", "), what));
}

}  // namespace

void add_label_names_option(CLI::App& command, std::optional<std::string>& names) {
  command
      .add_option(
          "--label-names", names,
          "Names of the classes, in the order of their numbers: a file with a name per line "
          "or a JSON list, or cat,dog,eel")
      ->type_name("FILE|NAME,NAME...");
}

void add_source_options(CLI::App& command, SourceArguments& arguments) {
  command
      .add_option("--source", arguments.sources,
                  "A folder, zip, tar (also compressed; train-{000..146}.tar), LMDB or csv:FILE of "
                  "PNG, JPEG "
                  "and WebP images; MNIST's idx, CIFAR's binary version, .npy, .npz or HDF5; or a "
                  "font. The "
                  "content decides. Several sources make one data set")
      ->required();
  command
      .add_option("--labels", arguments.labels,
                  "dirs: the first folder of a path is the class; json:FILE: StyleGAN's "
                  "dataset.json; csv:FILE:COLUMN: a table of paths and values; none; auto: the "
                  "source's dataset.json, else its own labels, else dirs if there are two or more "
                  "[auto]")
      ->type_name("auto|dirs|json:FILE|csv:FILE[:COLUMN]|none");
  command
      .add_option(
          "--label-vectors", arguments.label_vectors,
          "Store several numbers per image: the columns of a table of paths and values, such "
          "as CelebA's list_attr_celeba.txt")
      ->type_name("csv:FILE[:COLUMN,COLUMN...]");
  command.add_flag("--require-labels", arguments.require_labels,
                   "Reject a source in which an image has no label");
  add_label_names_option(command, arguments.label_names);
  command
      .add_option(
          "--alpha", arguments.alpha,
          "Background of transparent pixels; error rejects images that have any. Glyphs of a "
          "font are drawn in the opposite color")
      ->check(CLI::IsMember({"white", "black", "error"}))
      ->capture_default_str();
  command
      .add_option("--exif", arguments.exif,
                  "Apply the EXIF orientation of image files, or ignore it [apply]")
      ->check(CLI::IsMember({"apply", "ignore"}));
  command
      .add_option("--min-size", arguments.min_size,
                  "Reject image files with a side of fewer pixels [1]")
      ->transform(number_range<std::uint64_t>(1, 65535));
  command
      .add_option("--max-pixels", arguments.max_pixels,
                  "Reject image files with more pixels before decoding, which takes up to five "
                  "bytes of memory per pixel [64000000]")
      ->transform(number_range<std::uint64_t>(1, 4'000'000'000));
  command
      .add_option("--dataset", arguments.dataset,
                  "Dataset of an HDF5 file, or array of an .npz file, that holds the images")
      ->type_name("NAME");
  command.add_option("--part", arguments.part, "Part of CIFAR [train]")
      ->check(CLI::IsMember({"train", "test", "all"}));
  command.add_flag("--transpose", arguments.transpose,
                   "Swap rows and columns of the images of idx, .npy and .npz files: for EMNIST");
  command.add_option(
      "--codepoints", arguments.codepoints,
      "Hexadecimal codepoints of a font: 2639-263A,1F600; default: every glyph that is "
      "not blank");
}

std::unique_ptr<ImageSource> open_source(const SourceArguments& arguments,
                                         const BuildOptions& options) {
  std::unique_ptr<ImageSource> source;
  if (arguments.sources.size() == 1) {
    source = open_one(arguments, arguments.sources.front(), options);
  } else {
    const std::vector<std::string> names = unique_names(arguments.sources);
    std::vector<NamedSource> all;
    for (std::size_t i = 0; i < names.size(); ++i)
      all.push_back({names[i], open_one(arguments, arguments.sources[i], options)});
    source = std::make_unique<SeveralSources>(std::move(all));
  }
  check_labels(*source, arguments);
  if (arguments.label_vectors)
    source = std::make_unique<LabelVectors>(std::move(source),
                                            parse_label_vectors(*arguments.label_vectors));
  return with_label_names(std::move(source), arguments.label_names);
}

}  // namespace valley::app
