#include "app/shard/source.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <filesystem>

#include "app/options.h"
#include "core/error.h"
#include "core/file_type.h"
#include "core/log.h"
#include "image/codepoints.h"
#include "image/folder_source.h"
#include "image/font_source.h"

namespace valley::app {
namespace {

namespace fs = std::filesystem;

void reject_option(bool is_given, const char* option, const char* kind, const std::string& source) {
  if (is_given)
    throw Error(ExitCode::kUsage,
                "{} is for {} only, and --source {} is another kind of source; leave it out",
                option, kind, source);
}

std::unique_ptr<ImageSource> open_font(const SourceArguments& arguments,
                                       const BuildOptions& options) {
  constexpr const char* kFolders = "folders of images";
  reject_option(arguments.labels.has_value(), "--labels", kFolders, arguments.source);
  reject_option(arguments.exif.has_value(), "--exif", kFolders, arguments.source);
  reject_option(arguments.min_size.has_value(), "--min-size", kFolders, arguments.source);
  reject_option(arguments.max_pixels.has_value(), "--max-pixels", kFolders, arguments.source);
  reject_option(arguments.alpha == "error", "--alpha error", kFolders, arguments.source);
  FontOptions font;
  font.size = std::max(options.target.height, options.target.width);
  font.on_white = arguments.alpha == "white";
  if (arguments.codepoints) font.codepoints = parse_codepoints(*arguments.codepoints);
  return std::make_unique<FontSource>(find_font(arguments.source), font);
}

std::unique_ptr<ImageSource> open_folder(const SourceArguments& arguments,
                                         const BuildOptions& options) {
  reject_option(arguments.codepoints.has_value(), "--codepoints", "fonts", arguments.source);
  FolderOptions folder;
  folder.decode.alpha = arguments.alpha == "error"   ? Alpha::kError
                        : arguments.alpha == "black" ? Alpha::kOnBlack
                                                     : Alpha::kOnWhite;
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
                arguments.source, what);
  log::warn("{}: {}; they are stored with label -1 (--require-labels makes this an error)",
            arguments.source, what);
}

}  // namespace

void add_source_options(CLI::App& command, SourceArguments& arguments) {
  command
      .add_option(
          "--source", arguments.source,
          "A folder of PNG, JPEG and WebP files, optionally in class folders; or a font file, as a "
          "path or as a name in the system's font folders")
      ->required();
  command
      .add_option("--labels", arguments.labels,
                  "Labels of a folder: dirs (the first folder of a path is the class), json:FILE "
                  "(StyleGAN's dataset.json), none, or auto (the folder's dataset.json, else dirs "
                  "if there are two or more) [auto]")
      ->type_name("auto|dirs|json:FILE|none");
  command.add_flag("--require-labels", arguments.require_labels,
                   "Reject a source in which an image has no label");
  command
      .add_option(
          "--alpha", arguments.alpha,
          "Background of transparent pixels; error rejects images that have any. Glyphs of a "
          "font are drawn in the opposite color")
      ->check(CLI::IsMember({"white", "black", "error"}))
      ->capture_default_str();
  command
      .add_option("--exif", arguments.exif,
                  "Apply the EXIF orientation of images in a folder, or ignore it [apply]")
      ->check(CLI::IsMember({"apply", "ignore"}));
  command
      .add_option("--min-size", arguments.min_size,
                  "Reject images of a folder with a side of fewer pixels [1]")
      ->transform(number_range<std::uint64_t>(1, 65535));
  command
      .add_option(
          "--max-pixels", arguments.max_pixels,
          "Reject images of a folder with more pixels before decoding, which takes up to five "
          "bytes of memory per pixel [64000000]")
      ->transform(number_range<std::uint64_t>(1, 4'000'000'000));
  command.add_option(
      "--codepoints", arguments.codepoints,
      "Hexadecimal codepoints of a font: 2639-263A,1F600; default: every glyph that is "
      "not blank");
}

std::unique_ptr<ImageSource> open_source(const SourceArguments& arguments,
                                         const BuildOptions& options) {
  std::unique_ptr<ImageSource> source =
      is_folder(arguments.source) ? open_folder(arguments, options) : open_font(arguments, options);
  check_labels(*source, arguments);
  return source;
}

}  // namespace valley::app
