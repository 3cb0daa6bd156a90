#include "app/shard_source.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <filesystem>

#include "app/option_checks.h"
#include "core/error.h"
#include "core/file_type.h"
#include "core/log.h"
#include "image/codepoints.h"
#include "image/folder_source.h"
#include "image/font_source.h"

namespace valley::app {
namespace {

namespace fs = std::filesystem;

void refuse(bool is_given, const char* option, const char* kind, const std::string& source) {
  if (is_given)
    throw Error(ExitCode::kUsage, "{} is for {}, and --source {} is none", option, kind, source);
}

std::unique_ptr<ImageSource> open_font(const SourceArguments& arguments,
                                       const BuildOptions& options) {
  constexpr const char* kFolders = "folders of images";
  refuse(arguments.labels.has_value(), "--labels", kFolders, arguments.source);
  refuse(arguments.exif.has_value(), "--exif", kFolders, arguments.source);
  refuse(arguments.min_size.has_value(), "--min-size", kFolders, arguments.source);
  refuse(arguments.max_pixels.has_value(), "--max-pixels", kFolders, arguments.source);
  refuse(arguments.alpha == "error", "--alpha error", kFolders, arguments.source);
  FontOptions font;
  font.size = std::max(options.target.height, options.target.width);
  font.on_white = arguments.alpha == "white";
  if (arguments.codepoints) font.codepoints = parse_codepoints(*arguments.codepoints);
  return std::make_unique<FontSource>(find_font(arguments.source), font);
}

std::unique_ptr<ImageSource> open_folder(const SourceArguments& arguments,
                                         const BuildOptions& options) {
  refuse(arguments.codepoints.has_value(), "--codepoints", "fonts", arguments.source);
  FolderOptions folder;
  folder.decode.alpha = arguments.alpha == "error"   ? Alpha::kError
                        : arguments.alpha == "black" ? Alpha::kBlack
                                                     : Alpha::kWhite;
  folder.decode.apply_exif = arguments.exif.value_or("apply") == "apply";
  folder.labels = parse_labels(arguments.labels.value_or("auto"));
  folder.min_size = arguments.min_size.value_or(folder.min_size);
  folder.max_pixels = arguments.max_pixels.value_or(folder.max_pixels);
  folder.jobs = options.jobs;
  auto source = std::make_unique<FolderSource>(arguments.source, folder);
  for (const std::string& note : source->notes()) log::info("{}: {}", arguments.source, note);
  if (!source->label_warning().empty())
    log::warn("{}: {}", arguments.source, source->label_warning());
  if (source->size() == 0)
    throw Error(ExitCode::kData,
                "{} holds no file whose name ends in .png, .jpg, .jpeg, .jpe or .webp",
                arguments.source);
  return source;
}

// None at all is no mistake unless it was asked for: then it is, and so is a part.
void check_labels(const ImageSource& source, const SourceArguments& arguments) {
  std::uint64_t unlabelled = 0;
  std::uint64_t first = 0;
  for (std::uint64_t i = source.size(); i-- > 0;) {
    if (source.label(i) >= 0) continue;
    ++unlabelled;
    first = i;
  }
  if (unlabelled == 0 || (unlabelled == source.size() && !arguments.require_labels)) return;
  const std::string what = fmt::format("{} of {} images have no label, such as {}", unlabelled,
                                       source.size(), source.name(first));
  if (arguments.require_labels)
    throw Error(ExitCode::kData,
                "{}: {}, and --require-labels is given: put them into class folders, or into the "
                "file of --labels json:FILE",
                arguments.source, what);
  log::warn("{}: {}; they are stored with label -1 (--require-labels refuses that)",
            arguments.source, what);
}

}  // namespace

void add_source_options(CLI::App& command, SourceArguments& arguments) {
  command
      .add_option(
          "--source", arguments.source,
          "A folder of PNG, JPEG and WebP files, in class folders or not; or a font file: a "
          "path, or a name under the usual font folders")
      ->required();
  command
      .add_option("--labels", arguments.labels,
                  "Of a folder: dirs (the first folder of a path is the class), json:FILE "
                  "(StyleGAN's dataset.json), none, or auto (the folder's dataset.json, else dirs "
                  "where there are two or more) [auto]")
      ->type_name("auto|dirs|json:FILE|none");
  command.add_flag("--require-labels", arguments.require_labels,
                   "Refuse a source in which an image has no label");
  command
      .add_option("--alpha", arguments.alpha,
                  "What lies behind transparent pixels; error rejects images that have any. A "
                  "font's outlines are drawn in the opposite")
      ->check(CLI::IsMember({"white", "black", "error"}))
      ->capture_default_str();
  command
      .add_option("--exif", arguments.exif,
                  "Of a folder: turn images as their EXIF orientation says, or not [apply]")
      ->check(CLI::IsMember({"apply", "ignore"}));
  command
      .add_option("--min-size", arguments.min_size,
                  "Of a folder: reject images with a side shorter than so many pixels [1]")
      ->transform(number_range<std::uint64_t>(1, 65535));
  command
      .add_option("--max-pixels", arguments.max_pixels,
                  "Of a folder: reject images of more pixels before they are decoded; memory is "
                  "bounded by five bytes for each [64000000]")
      ->transform(number_range<std::uint64_t>(1, 4'000'000'000));
  command.add_option("--codepoints", arguments.codepoints,
                     "Of a font, hexadecimal: 2639-263A,1F600; default: every glyph that shows "
                     "something");
}

std::unique_ptr<ImageSource> open_source(const SourceArguments& arguments,
                                         const BuildOptions& options) {
  std::unique_ptr<ImageSource> source =
      is_folder(arguments.source) ? open_folder(arguments, options) : open_font(arguments, options);
  check_labels(*source, arguments);
  return source;
}

}  // namespace valley::app
