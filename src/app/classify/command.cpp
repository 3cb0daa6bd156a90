#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "app/classify/files.h"
#include "app/classify/plots.h"
#include "app/classify/report.h"
#include "app/commands.h"
#include "app/options.h"
#include "app/print_result.h"
#include "app/progress.h"
#include "comm/world.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "evaluate/class_map.h"
#include "evaluate/class_scores.h"
#include "inference/image_classifier.h"
#include "inference/saved_model.h"
#include "kernels/device.h"
#include "record/progress.h"

namespace valley::app {
namespace {

constexpr const char* kClassifyHelp =
    "Classify images with a trained model, and measure its accuracy and calibration.\n\n"
    "Examples:\n"
    "  valley classify runs/00003-dbn-mnist --data digit.png           image files\n"
    "  valley classify runs/00003-dbn-mnist --data data/mnist-test-28  accuracy and calibration\n"
    "  valley classify RUN --data SHARDS -o classes.csv                P(y|x) of every image\n"
    "  valley classify RUN --data SHARDS --confusion a.png --reliability b.png --worst 30 c.png\n"
    "  mpirun -n 4 valley classify RUN --data SHARDS --json            same result, faster";

struct ClassifyArguments {
  std::string run;
  std::vector<std::string> data;
  std::optional<std::uint64_t> count;
  std::optional<std::uint64_t> seed;
  std::string out;
  std::string confusion;
  std::string reliability;
  std::pair<std::int64_t, std::string> worst;
  std::string device = "auto";
  bool json = false;

  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> named;
    for (const std::string& file : {out, confusion, reliability, worst.second})
      if (!file.empty()) named.push_back(file);
    return named;
  }
  [[nodiscard]] bool needs_labels() const {
    return !confusion.empty() || !reliability.empty() || !worst.second.empty();
  }
};

// Errors that need no model and no images.
void check_arguments(const ClassifyArguments& a) {
  if (a.seed && !a.count)
    throw Error(ExitCode::kUsage, "--seed selects the images of --count: add --count");
  if (!a.out.empty()) static_cast<void>(classes_format(a.out));
  if (!a.worst.second.empty() && (a.worst.first < 1 || a.worst.first > 1000))
    throw Error(ExitCode::kUsage, "--worst {} {}: the number of mistakes must be from 1 to 1000",
                a.worst.first, a.worst.second);
  std::set<std::string> named;
  for (const std::string& file : a.files()) {
    if (!named.insert(file).second)
      throw Error(ExitCode::kUsage,
                  "-o, --confusion, --reliability and --worst name the same file, {}", file);
  }
}

void open_labeled_data(const ClassifyArguments& a, const SavedModel& saved, std::int64_t classes,
                       ClassifyReport& report) {
  report.model = saved.file.string();
  report.names = read_class_names(saved, classes);
  report.inputs = a.data;
  report.images = open_images(a.data, image_shape(saved.options), report.model);
  report.of = report.images->size();
  if (a.count) report.images = choose_images(report.images, *a.count, a.seed);
  report.labels = labels_for(*report.images, report.names, classes, report.model);
  // A model without class names takes those of the images.
  if (report.names.empty()) report.names = report.images->class_names();
  for (auto y = static_cast<std::int64_t>(report.names.size()); y < classes; ++y)
    report.names.push_back(std::to_string(y));
  report.captions = distinct_names(report.names);
  if (a.needs_labels() && !has_labels(report)) {
    throw Error(ExitCode::kUsage,
                "--confusion, --reliability and --worst compare classes with labels, but the "
                "images have no labels; build shards from one folder per class to get labels");
  }
}

void write_results(const ClassifyArguments& a, const at::Tensor& scores, ClassifyReport& report) {
  require_finite_scores(scores, *report.images, report.model);
  report.probabilities.emplace(
      std::span(scores.const_data_ptr<float>(), static_cast<std::size_t>(scores.numel())),
      report.names.size());
  if (has_labels(report)) report.result = valley::classify(*report.probabilities, report.labels);
  if (!a.out.empty()) write_file(a.out, format_classes(classes_format(a.out), report));
  if (!a.confusion.empty()) draw_confusion(a.confusion, report);
  if (!a.reliability.empty()) draw_reliability(a.reliability, report);
  if (!a.worst.second.empty()) draw_mistakes(a.worst.second, report, a.worst.first);
  print_result(
      a.json, [&] { return to_json(report); }, [&] { return to_table(report); });
}

void run_classify(const ClassifyArguments& a) {
  check_arguments(a);
  const auto world = World::join(device_choice(a.device));
  const at::Device device = world->device().device();
  const int threads = threads_for_rank(world->host().local_size());
  set_arithmetic({Precision::kFp32, true, 1});

  ClassifyReport report;
  std::unique_ptr<ImageClassifier> classifier;
  const std::unique_ptr<SavedModel> saved = rank_zero_first(*world, [&] {
    if (world->rank() == 0)
      for (const std::string& file : a.files()) require_writable(file);
    auto loaded = std::make_unique<SavedModel>(load_model(a.run, Weights::kRaw, device));
    classifier = make_image_classifier(*loaded, device);
    open_labeled_data(a, *loaded, classifier->classes(), report);
    return loaded;
  });
  report.method = classifier->method();
  world->require_equal("the model and the images",
                       report.model + "\n" + report.images->fingerprint());

  WorkProgress progress("classify");
  const Team team = make_team(*world, threads, progress);
  const at::Tensor scores = class_scores(team, "images", *classifier, *report.images);
  if (world->rank() == 0) {
    log::info("classified {} images in {}", report.images->size(),
              format_duration(progress.seconds()));
    write_results(a, scores, report);
  }
  world->host().barrier();
}

void add_options(CLI::App& command, ClassifyArguments& a) {
  add_model_argument(command, a.run);
  add_images_option(command, a.data,
                    ". Labels, such as one folder per class, are compared with the predictions");
  add_count_option(command, a.count);
  command.add_option("--seed", a.seed, "Use N random images instead of the first N of --count")
      ->transform(number_range<std::uint64_t>())
      ->type_name("N");
  command
      .add_option("-o,--out", a.out,
                  "Write the class and the probabilities of every image, as JSON lines (.jsonl) "
                  "or CSV (.csv)")
      ->type_name("FILE");
  command.add_option("--confusion", a.confusion, "Plot the confusion matrix")
      ->check(png_name())
      ->type_name("FILE.png");
  command
      .add_option("--reliability", a.reliability,
                  "Plot accuracy against confidence (reliability diagram)")
      ->check(png_name())
      ->type_name("FILE.png");
  command.add_option("--worst", a.worst, "Draw the N most confident mistakes")
      ->transform(number_range<std::int64_t>(1, 1000).application_index(0))
      ->check(png_name().application_index(1))
      ->type_name("N FILE.png");
  add_device_option(command, a.device);
  add_json_option(command, a.json);
}

}  // namespace

void add_classify_command(CLI::App& app) {
  auto a = std::make_shared<ClassifyArguments>();
  CLI::App* command = app.add_subcommand("classify", kClassifyHelp);
  add_options(*command, *a);
  command->callback([a] { run_classify(*a); });
}

}  // namespace valley::app
