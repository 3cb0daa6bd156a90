#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>
#include <memory>
#include <optional>
#include <vector>

#include "app/options.h"
#include "app/print_result.h"
#include "app/shard/build_report.h"
#include "app/shard/ranks.h"
#include "app/shard/source.h"
#include "app/shard/subcommands.h"
#include "core/error.h"
#include "core/log.h"
#include "data/builder.h"
#include "data/manifest.h"

namespace valley::app {
namespace {

constexpr unsigned kMaxJobs = 4096;

struct BuildArguments {
  SourceArguments source;
  std::string destination;
  std::string resolution = "256";
  std::string transform{transform_name(Transform::kCenterCrop)};
  std::optional<std::string> filter;
  std::string channels = "rgb";
  std::string storage = "raw";
  std::uint64_t shard_images = 4096;
  std::uint64_t shuffle_seed = 0;
  bool no_shuffle = false;
  std::optional<std::uint64_t> max_images;
  unsigned jobs = 0;
  double max_error_rate = 0.01;
  std::string on_error = "skip";
  bool resume = false;
  bool overwrite = false;
  bool dry_run = false;
  std::string progress = "bar";
  bool json = false;
};

// "64" or "WIDTHxHEIGHT" as (height, width). Error kUsage for anything else.
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

// The transforms of StyleGAN and ADM prescribe shapes and filters.
void apply_transform(const BuildArguments& arguments, Target& target) {
  target.transform = parse_transform(arguments.transform);
  target.filter = arguments.filter ? parse_filter(*arguments.filter) : Filter::kLanczos;
  if (target.transform == Transform::kCenterCropWide) {
    if (target.height >= target.width)
      throw Error(
          ExitCode::kUsage,
          "--transform center-crop-wide needs a --resolution that is wider than high, such as "
          "512x384; the stored images are square, with black bars");
    target.content_height = target.height;
    target.height = target.width;
  }
  if (target.transform == Transform::kCenterCropDhariwal) {
    if (arguments.filter || target.height != target.width)
      throw Error(ExitCode::kUsage,
                  "--transform center-crop-dhariwal needs a square --resolution and no --filter, "
                  "because it "
                  "halves with box filters and then resizes with a bicubic filter");
    target.filter = Filter::kBicubic;
  }
}

BuildOptions to_options(const BuildArguments& arguments, World* world) {
  BuildOptions options;
  options.destination = arguments.destination;
  const auto [height, width] = parse_resolution(arguments.resolution);
  options.target.height = height;
  options.target.width = width;
  options.target.channels = arguments.channels == "gray" ? 1 : 3;
  options.target.background = arguments.source.alpha == "black" ? 0 : 255;
  apply_transform(arguments, options.target);
  options.storage = parse_storage(arguments.storage);
  options.shard_images = arguments.shard_images;
  options.shuffle_seed = arguments.shuffle_seed;
  if (arguments.no_shuffle) options.shuffle_seed.reset();
  options.max_images = arguments.max_images;
  options.jobs = arguments.jobs > 0 ? arguments.jobs : default_jobs(world);
  options.max_error_rate = arguments.max_error_rate;
  options.fail_on_reject = arguments.on_error == "fail";
  if (arguments.resume) options.existing = Existing::kResume;
  if (arguments.overwrite) options.existing = Existing::kOverwrite;
  return options;
}

void build(const BuildArguments& arguments) {
  const std::unique_ptr<World> world = join_builders();
  const bool is_root = world == nullptr || world->rank() == 0;
  BuildOptions options = to_options(arguments, world.get());
  const std::unique_ptr<ImageSource> source =
      on_every_rank(world.get(), [&] { return open_source(arguments.source, options); });
  if (arguments.dry_run) {
    if (!is_root) return;
    const BuildPlan plan = plan_build(*source, options);
    print_result(
        arguments.json, [&] { return plan_to_json(plan, options); },
        [&] { return plan_to_text(plan, options); });
    return;
  }
  std::optional<BuildReport> built;
  {
    BarProgress bar;
    if (arguments.progress == "bar")
      options.progress = [&bar](const BuildProgress& progress) { bar.show(progress); };
    if (arguments.progress == "json") options.progress = show_json_line;
    built = build_on(world.get(), *source, options);
  }
  if (!built) return;
  const BuildReport& report = *built;
  if (const std::uint64_t rejects = count_rejects(report); rejects > 0)
    log::warn("{} of {} images were rejected; {} lists each with its reason", rejects,
              report.candidates_seen, (options.destination / kRejectsFile).string());
  warn_of_empty_classes(report);
  print_result(
      arguments.json, [&] { return to_json(report, options); },
      [&] { return to_text(report, options); });
}

void add_shape_options(CLI::App& command, BuildArguments& arguments) {
  command
      .add_option("--resolution", arguments.resolution,
                  "Size of the stored images in pixels: N or WIDTHxHEIGHT")
      ->capture_default_str();
  command
      .add_option("--transform", arguments.transform,
                  "How to fit other shapes: none stretches, center-crop takes the largest centered "
                  "part, pad "
                  "adds borders in the color of --alpha, border does so without resizing; -wide as "
                  "in StyleGAN, -dhariwal as in ADM")
      ->check(CLI::IsMember(transform_names()))
      ->capture_default_str();
  command
      .add_option("--filter", arguments.filter,
                  "Resampling filter, bitwise equal to Pillow 9.4 [lanczos]")
      ->check(CLI::IsMember(filter_names()));
  command.add_option("--channels", arguments.channels, "Channels to store")
      ->check(CLI::IsMember({"rgb", "gray"}))
      ->capture_default_str();
  command
      .add_option("--storage", arguments.storage,
                  "raw: pixels, fastest to load; jpeg:Q: the fitted image as JPEG of quality Q (1 "
                  "to 100); keep: the files of the source unchanged, decoded and fitted while "
                  "loading")
      ->type_name("raw|jpeg:Q|keep")
      ->capture_default_str();
}

void add_order_options(CLI::App& command, BuildArguments& arguments) {
  command
      .add_option("--shard-images", arguments.shard_images,
                  "Images per shard, a multiple of 32; the last shard may hold fewer")
      ->transform(number_range<std::uint64_t>())
      ->capture_default_str();
  CLI::Option* seed = command
                          .add_option("--shuffle-seed", arguments.shuffle_seed,
                                      "Seed of the order of the stored images")
                          ->transform(number_range<std::uint64_t>())
                          ->capture_default_str();
  command.add_flag("--no-shuffle", arguments.no_shuffle, "Keep the order of the source")
      ->excludes(seed);
  command
      .add_option("--max-images", arguments.max_images,
                  "Store the first N images of the (shuffled) order only")
      ->transform(number_range<std::uint64_t>());
}

void add_run_options(CLI::App& command, BuildArguments& arguments) {
  command
      .add_option("--jobs", arguments.jobs,
                  "Number of threads (default: all cores, divided by the ranks of the host); does "
                  "not change the stored bytes")
      ->transform(number_range<unsigned>(0, kMaxJobs));
  command
      .add_option("--max-error-rate", arguments.max_error_rate,
                  "Share of rejected images above which the build fails")
      ->transform(number_range<double>(0, 1))
      ->capture_default_str();
  command
      .add_option("--on-error", arguments.on_error,
                  "For an image that cannot be used: list it in rejects.jsonl, or stop")
      ->check(CLI::IsMember({"skip", "fail"}))
      ->capture_default_str();
  CLI::Option* resume =
      command.add_flag("--resume", arguments.resume, "Continue an interrupted build");
  command.add_flag("--overwrite", arguments.overwrite, "Replace an existing data set")
      ->excludes(resume);
  command.add_flag("--dry-run", arguments.dry_run,
                   "Check everything, print what would be built, stop");
  command.add_option("--progress", arguments.progress, "Kind of progress on stderr")
      ->check(CLI::IsMember({"bar", "json", "none"}))
      ->capture_default_str();
  add_json_option(command, arguments.json);
}

}  // namespace

void add_shard_build(CLI::App& shard) {
  auto arguments = std::make_shared<BuildArguments>();
  CLI::App* command = shard.add_subcommand(
      "build",
      "Build a data set of HDF5 shards from a folder or archive of images, a database, arrays or a "
      "font.\n\n"
      "Examples:\n"
      "  valley shard build --source photos --dest data/photos-256\n"
      "  valley shard build --source imagenet/train --dest data/imagenet-64 --resolution 64 "
      "--require-labels\n"
      "  valley shard build --source ffhq --labels json:ffhq/dataset.json --dest data/ffhq-256\n"
      "  valley shard build --source 'shards/train-{000..146}.tar' --dest data/web-256\n"
      "  valley shard build --source train-images-idx3-ubyte.gz --channels gray --resolution 28 "
      "--dest data/mnist-28\n"
      "  valley shard build --source NotoColorEmoji.ttf --dest data/emoji-256\n"
      "  valley shard build --source DejaVuSans.ttf --codepoints 41-5A,61-7A --channels gray "
      "--resolution 28 --dest data/letters\n"
      "  mpirun -n 4 --hostfile hosts valley shard build --source photos --dest "
      "/shared/photos-256\n"
      "rejects.jsonl lists images that cannot be used, with the reason. To continue an interrupted "
      "build, repeat the command with --resume.");
  add_source_options(*command, arguments->source);
  command->add_option("--dest", arguments->destination, "The folder to create")->required();
  add_shape_options(*command, *arguments);
  add_order_options(*command, *arguments);
  add_run_options(*command, *arguments);
  command->callback([arguments] { build(*arguments); });
}

}  // namespace valley::app
