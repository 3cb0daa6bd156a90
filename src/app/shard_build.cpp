#include "app/shard_build.h"

#include <fmt/core.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "app/shard_inspect.h"
#include "core/error.h"
#include "core/log.h"
#include "data/builder.h"
#include "data/manifest.h"
#include "image/codepoints.h"
#include "image/font_source.h"

namespace valley::app {
namespace {

struct BuildArguments {
  std::string source;
  std::string destination;
  std::string resolution = "256";
  std::string transform{transform_name(Transform::kCenterCrop)};
  std::string filter{filter_name(Filter::kLanczos)};
  std::string channels = "rgb";
  std::string alpha = "white";
  std::optional<std::string> codepoints;
  std::uint64_t shard_images = 4096;
  std::uint64_t shuffle_seed = 0;
  bool no_shuffle = false;
  std::optional<std::uint64_t> max_images;
  unsigned jobs = 0;
  double max_error_rate = 0.01;
  bool resume = false;
  bool overwrite = false;
  bool dry_run = false;
  std::string progress = "bar";
  bool json = false;
};

BuildOptions to_options(const BuildArguments& arguments) {
  BuildOptions options;
  options.destination = arguments.destination;
  const auto [height, width] = parse_resolution(arguments.resolution);
  options.target.height = height;
  options.target.width = width;
  options.target.channels = arguments.channels == "gray" ? 1 : 3;
  options.target.transform = parse_transform(arguments.transform);
  options.target.filter = parse_filter(arguments.filter);
  options.target.background = arguments.alpha == "white" ? 255 : 0;
  options.shard_images = arguments.shard_images;
  options.shuffle_seed = arguments.shuffle_seed;
  if (arguments.no_shuffle) options.shuffle_seed.reset();
  options.max_images = arguments.max_images;
  options.jobs =
      arguments.jobs > 0 ? arguments.jobs : std::max(1U, std::thread::hardware_concurrency());
  options.max_error_rate = arguments.max_error_rate;
  if (arguments.resume) options.existing = Existing::kResume;
  if (arguments.overwrite) options.existing = Existing::kOverwrite;
  return options;
}

FontSource open_source(const BuildArguments& arguments, const BuildOptions& options) {
  const std::filesystem::path file = find_font(arguments.source);
  if (std::filesystem::is_directory(file))
    throw Error(ExitCode::kUsage, "--source {} is a folder; this version reads font files",
                file.string());
  FontOptions font;
  font.size = std::max(options.target.height, options.target.width);
  font.on_white = arguments.alpha == "white";
  if (arguments.codepoints) font.codepoints = parse_codepoints(*arguments.codepoints);
  return {file, font};
}

// On a terminal a line that is redrawn; elsewhere a plain one every ten seconds.
class BarProgress {
 public:
  void show(const BuildProgress& progress) {
    using namespace std::chrono_literals;
    const auto now = std::chrono::steady_clock::now();
    if (!is_terminal_ && now - last_ < 10s) return;
    last_ = now;
    const double rate = static_cast<double>(progress.images) / std::max(progress.seconds, 1e-3);
    const std::string line = fmt::format(
        "{} of {} | {} images | {} shards | {} rejects | {:.0f} img/s", progress.candidates_done,
        progress.candidates, progress.images, progress.shards, progress.rejects, rate);
    if (is_terminal_) {
      fmt::print(stderr, "\r\x1b[K{}", line);
      std::fflush(stderr);
      is_open_ = true;
    } else {
      log::info("{}", line);
    }
  }
  ~BarProgress() {
    if (is_open_) std::fputs("\r\x1b[K", stderr);
  }
  BarProgress() = default;
  BarProgress(const BarProgress&) = delete;
  BarProgress& operator=(const BarProgress&) = delete;

 private:
  bool is_terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool is_open_ = false;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

void show_json_line(const BuildProgress& progress) {
  const nlohmann::ordered_json line = {{"candidates_done", progress.candidates_done},
                                       {"candidates", progress.candidates},
                                       {"images", progress.images},
                                       {"shards", progress.shards},
                                       {"rejects", progress.rejects},
                                       {"seconds", progress.seconds}};
  fmt::print(stderr, "{}\n", line.dump());
}

void print_plan(const BuildPlan& plan, const BuildOptions& options, bool as_json) {
  if (as_json) {
    const nlohmann::ordered_json root = {
        {"dry_run", true},
        {"candidates", plan.candidates},
        {"images_at_most", plan.images},
        {"shards_at_most", plan.shards},
        {"pixel_bytes_at_most", plan.bytes},
        {"directory", options.destination.string()},
        {"parameters", nlohmann::ordered_json::parse(plan.parameters_json)}};
    fmt::print("{}\n", root.dump(1));
    return;
  }
  fmt::print("would build at most {} images of {}x{}x{} in {} {}: {} of pixels\n", plan.images,
             options.target.width, options.target.height, options.target.channels, plan.shards,
             plan.shards == 1 ? "shard" : "shards", human_bytes(plan.bytes));
  fmt::print("in          {}\n", options.destination.string());
  fmt::print("parameters  {}\n", plan.parameters_json);
}

std::uint64_t count(const std::map<std::string, std::uint64_t>& rejects) {
  std::uint64_t total = 0;
  for (const auto& [reason, images] : rejects) total += images;
  return total;
}

void print_report(const BuildReport& report, const BuildOptions& options, bool as_json) {
  const std::string where = options.destination.string();
  const std::uint64_t built = report.images - report.resumed_images;
  const double rate = static_cast<double>(built) / std::max(report.seconds, 1e-9);
  if (as_json) {
    const nlohmann::ordered_json root = {
        {"images", report.images},   {"resumed_images", report.resumed_images},
        {"shards", report.shards},   {"bytes", report.bytes},
        {"seconds", report.seconds}, {"images_per_s", rate},
        {"rejects", report.rejects}, {"fingerprint", report.fingerprint},
        {"directory", where}};
    fmt::print("{}\n", root.dump(1));
    return;
  }
  fmt::print("built {} images of {}x{}x{} in {} {}: {} in {:.1f} s ({:.0f} img/s)\n", report.images,
             options.target.width, options.target.height, options.target.channels, report.shards,
             report.shards == 1 ? "shard" : "shards", human_bytes(report.bytes), report.seconds,
             rate);
  if (report.resumed_images > 0)
    fmt::print("resumed behind {} images that were there\n", report.resumed_images);
  fmt::print("in       {}\n", where);
  std::string reasons;
  for (const auto& [reason, images] : report.rejects)
    reasons += fmt::format("{}{}: {}", reasons.empty() ? " (" : ", ", reason, images);
  fmt::print("rejects  {}{}{}\n", count(report.rejects), reasons, reasons.empty() ? "" : ")");
  fmt::print("next     valley train CONFIG.toml data.path={}\n", where);
}

void build(const BuildArguments& arguments) {
  BuildOptions options = to_options(arguments);
  const FontSource source = open_source(arguments, options);
  if (arguments.dry_run) {
    print_plan(plan_build(source, options), options, arguments.json);
    return;
  }
  BuildReport report;
  {
    BarProgress bar;
    if (arguments.progress == "bar")
      options.progress = [&bar](const BuildProgress& progress) { bar.show(progress); };
    if (arguments.progress == "json") options.progress = show_json_line;
    report = build_dataset(source, options);
  }
  if (const std::uint64_t rejects = count(report.rejects); rejects > 0)
    log::warn("{} of {} images were rejected; each with its reason in {}", rejects,
              report.candidates_seen, (options.destination / kRejectsFile).string());
  print_report(report, options, arguments.json);
}

void add_shape_options(CLI::App& command, BuildArguments& arguments) {
  command.add_option("--resolution", arguments.resolution, "N, or WIDTHxHEIGHT, in pixels")
      ->capture_default_str();
  command
      .add_option("--transform", arguments.transform,
                  "How other shapes fit: stretched, centred square of the short side, or padded")
      ->check(CLI::IsMember(transform_names()))
      ->capture_default_str();
  command.add_option("--filter", arguments.filter, "Resampling, bit for bit as Pillow 9.4 does it")
      ->check(CLI::IsMember(filter_names()))
      ->capture_default_str();
  command.add_option("--channels", arguments.channels, "What is stored")
      ->check(CLI::IsMember({"rgb", "gray"}))
      ->capture_default_str();
  command
      .add_option("--alpha", arguments.alpha,
                  "What lies behind transparent pixels; outlines are drawn in the opposite")
      ->check(CLI::IsMember({"white", "black"}))
      ->capture_default_str();
}

void add_order_options(CLI::App& command, BuildArguments& arguments) {
  command
      .add_option("--shard-images", arguments.shard_images,
                  "Images a shard, a multiple of 32; the last may hold fewer")
      ->capture_default_str();
  CLI::Option* seed =
      command.add_option("--shuffle-seed", arguments.shuffle_seed, "Seed of the stored order")
          ->capture_default_str();
  command.add_flag("--no-shuffle", arguments.no_shuffle, "Keep the order of the source")
      ->excludes(seed);
  command.add_option("--max-images", arguments.max_images,
                     "Store the first N of the (shuffled) order");
}

void add_run_options(CLI::App& command, BuildArguments& arguments) {
  command.add_option("--jobs", arguments.jobs,
                     "Threads (default: all cores); the bytes do not depend on it");
  command
      .add_option("--max-error-rate", arguments.max_error_rate,
                  "Share of rejected images above which the build fails")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  CLI::Option* resume =
      command.add_flag("--resume", arguments.resume, "Go on with an interrupted build");
  command.add_flag("--overwrite", arguments.overwrite, "Replace the data set that is there")
      ->excludes(resume);
  command.add_flag("--dry-run", arguments.dry_run, "Check everything, say what would be built");
  command.add_option("--progress", arguments.progress, "On stderr")
      ->check(CLI::IsMember({"bar", "json", "none"}))
      ->capture_default_str();
  command.add_flag("--json", arguments.json, "The result as JSON");
}

}  // namespace

std::pair<std::int64_t, std::int64_t> parse_resolution(const std::string& text) {
  const auto parse = [&text](std::string_view digits) {
    std::int64_t value = 0;
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (status != std::errc() || end != digits.data() + digits.size() || value < 1)
      throw Error(ExitCode::kUsage,
                  "--resolution {}: write N or WIDTHxHEIGHT, such as 64 or 256x128", text);
    return value;
  };
  const std::string_view view = text;
  const auto cross = view.find('x');
  if (cross == std::string_view::npos) return {parse(view), parse(view)};
  return {parse(view.substr(cross + 1)), parse(view.substr(0, cross))};
}

void add_shard_build(CLI::App& shard) {
  auto arguments = std::make_shared<BuildArguments>();
  CLI::App* command = shard.add_subcommand(
      "build",
      "Make a data set of HDF5 shards.\n\n"
      "Examples:\n"
      "  valley shard build --source NotoColorEmoji.ttf --dest data/emoji-256\n"
      "  valley shard build --source DejaVuSans.ttf --codepoints 41-5A,61-7A --channels gray "
      "--resolution 28 --dest data/letters\n"
      "A build that was interrupted goes on with the same command and --resume.");
  command
      ->add_option("--source", arguments->source,
                   "A font file: a path, or a name under the usual font folders")
      ->required();
  command->add_option("--dest", arguments->destination, "The directory to make")->required();
  command->add_option("--codepoints", arguments->codepoints,
                      "Of a font, hexadecimal: 2639-263A,1F600; default: every glyph that shows "
                      "something");
  add_shape_options(*command, *arguments);
  add_order_options(*command, *arguments);
  add_run_options(*command, *arguments);
  command->callback([arguments] { build(*arguments); });
}

}  // namespace valley::app
