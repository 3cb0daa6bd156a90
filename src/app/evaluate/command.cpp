#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "app/commands.h"
#include "app/evaluate/report.h"
#include "app/options.h"
#include "app/print_result.h"
#include "app/progress.h"
#include "comm/world.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "evaluate/class_evaluation.h"
#include "evaluate/dataset_source.h"
#include "evaluate/evaluation.h"
#include "evaluate/feature_network.h"
#include "inference/sample_source.h"
#include "inference/saved_model.h"
#include "kernels/device.h"
#include "record/progress.h"

namespace valley::app {
namespace {

constexpr const char* kEvaluateHelp =
    "Compare samples of a model with data. Each metric is shown with its floor: the same metric "
    "of\n"
    "other real images.\n\n"
    "Examples:\n"
    "  valley evaluate runs/00007-began-64 --data data/emoji-64               text\n"
    "  mpirun -n 4 valley evaluate runs/00007-began-64 --data data/emoji-64   same result, faster\n"
    "  valley evaluate runs/00007-began-64 --data data/emoji-64 --untrained   initial weights\n"
    "  valley evaluate --samples shards/drawn --data data/emoji-64 --json     images as "
    "shards\n"
    "  valley evaluate RUN --data SHARDS --inception inception-2015-12-05.pt  FID too\n"
    "  valley evaluate RUN --data SHARDS --per-class                          each class too";

struct EvaluateArguments {
  std::string run;
  std::string samples;
  std::string data;
  std::string inception;
  std::string out;
  std::string device = "auto";
  std::optional<std::int64_t> count;
  std::optional<std::int64_t> steps;
  std::uint64_t seed = 0;
  bool raw = false;
  bool untrained = false;
  bool per_class = false;
  bool json = false;
};

// The samples to compare with the data, and the objects that their source refers to.
struct Subject {
  std::shared_ptr<const Dataset> images;
  std::unique_ptr<SavedModel> model;
  std::unique_ptr<SampleSource> source;
  std::unique_ptr<ImagesByClass> by_class;  // with --per-class: `images` by class
};

void check_arguments(const EvaluateArguments& a) {
  if (a.run.empty() == a.samples.empty())
    throw Error(ExitCode::kUsage,
                "valley evaluate takes either a RUN, whose model draws samples, or --samples DIR, "
                "a folder of shards; see valley evaluate --help");
  if (a.raw && (a.untrained || a.run.empty()))
    throw Error(ExitCode::kUsage, "--raw selects the trained weights of a RUN; leave it out");
  if (a.untrained && a.run.empty())
    throw Error(ExitCode::kUsage, "--untrained needs a RUN, whose networks it resets");
}

std::string describe_shape(std::int64_t height, std::int64_t width, std::int64_t channels) {
  return fmt::format("{}x{}x{}", width, height, channels);
}

void require_same_shape(const std::string& shape, const std::string& samples, const Dataset& data) {
  const std::string needed = describe_shape(data.height(), data.width(), data.channels());
  if (shape == needed) return;
  throw Error(ExitCode::kUsage,
              "the samples of {} are {}, but the images of {} are {}; build shards with "
              "--resolution and --channels to match",
              samples, shape, data.directory().string(), needed);
}

Subject open_shards(const EvaluateArguments& a, EvaluationReport& report) {
  Subject subject;
  subject.images = Dataset::open(a.samples);
  subject.source = std::make_unique<DatasetSource>(subject.images, a.seed, 0);
  if (a.per_class)
    subject.by_class =
        std::make_unique<ImagesByClass>(subject.images, count_classes(*subject.images), a.seed);
  report.samples = a.samples;
  report.fingerprint = subject.images->fingerprint();
  if (report.fingerprint == report.data_fingerprint)
    log::info("{} and {} hold the same images: the set is compared with itself", a.samples, a.data);
  return subject;
}

Subject open_model(const EvaluateArguments& a, at::Device device, EvaluationReport& report) {
  Subject subject;
  subject.model = std::make_unique<SavedModel>(
      load_model(a.run, weights_to_load(a.raw || a.untrained), device));
  if (a.untrained) reset_weights(*subject.model, a.seed);
  report.samples = subject.model->file.string();
  report.weights = a.untrained ? "untrained" : subject.model->averaged ? "averaged" : "raw";
  return subject;
}

Subject open_subject(const EvaluateArguments& a, const Dataset& data, at::Device device,
                     EvaluationReport& report) {
  Subject subject = a.run.empty() ? open_shards(a, report) : open_model(a, device, report);
  std::string shape;
  if (subject.images) {
    shape = describe_shape(subject.images->height(), subject.images->width(),
                           subject.images->channels());
  } else {
    const ModelOptions& o = subject.model->options;
    shape = describe_shape(o.resolution, o.resolution, o.channels);
  }
  require_same_shape(shape, report.samples, data);
  return subject;
}

std::shared_ptr<const Dataset> open_evaluated_data(const EvaluateArguments& a,
                                                   EvaluationReport& report) {
  std::shared_ptr<const Dataset> data = Dataset::open(a.data);
  require_measurable(data->height(), data->width(), a.data);
  report.data = a.data;
  report.data_fingerprint = data->fingerprint();
  report.data_images = data->size();
  return data;
}

std::unique_ptr<FeatureNetwork> open_network(const EvaluateArguments& a, at::Device device,
                                             EvaluationReport& report) {
  if (a.inception.empty()) return nullptr;
  auto network = std::make_unique<FeatureNetwork>(a.inception, device);
  report.network = a.inception;
  report.network_sha256 = network->sha256();
  return network;
}

bool is_conditional(const Subject& subject) {
  return subject.model != nullptr && subject.model->options.labels > 0 &&
         subject.model->model->has_network("generator");
}

// The classes of both sets, for --per-class.
std::unique_ptr<ImagesByClass> sort_by_class(const EvaluateArguments& a, const Subject& subject,
                                             const std::shared_ptr<const Dataset>& data) {
  if (!a.per_class) return nullptr;
  if (subject.model && !is_conditional(subject))
    throw Error(
        ExitCode::kUsage,
        "--per-class: samples of {} have no classes; it needs a generator that was trained with "
        "model.labels, or --samples DIR with classes",
        subject.model->file.string());
  const std::int64_t classes = count_classes(*data);
  if (classes == 0)
    throw Error(ExitCode::kData,
                "--per-class: the images of {} have no classes; build shards of a folder with one "
                "subfolder per class, or leave it out",
                a.data);
  const std::int64_t drawn =
      subject.model ? subject.model->options.labels : subject.by_class->classes();
  if (drawn == 0)
    throw Error(ExitCode::kData, "--per-class: the images of {} have no classes; leave it out",
                a.samples);
  return std::make_unique<ImagesByClass>(data, std::min(classes, drawn), a.seed);
}

// The samples to compare with `data`, once the number of images is known.
void open_source(const EvaluateArguments& a, at::Device device,
                 const std::shared_ptr<const Dataset>& data, Subject& subject,
                 EvaluationReport& report) {
  if (!subject.model) return;
  ClassOfSeed classes;
  if (is_conditional(subject)) {
    classes = classes_as_in(data, a.seed, report.images, subject.model->options.labels);
    report.class_shares = classes ? "data" : "equal";
  }
  subject.source = make_sample_source(*subject.model, device, a.steps, std::move(classes));
}

ClassSamples samples_of_class(const Subject& subject, std::int64_t label) {
  if (subject.by_class) return {subject.by_class->source(label, 0), subject.by_class->size(label)};
  return {make_sample_source(*subject.model, subject.model->device, std::nullopt, one_class(label)),
          std::nullopt};
}

void count_images(const EvaluateArguments& a, const Subject& subject, EvaluationReport& report) {
  std::optional<std::uint64_t> available;
  if (subject.images) available = subject.images->size();
  const SampleCount count =
      count_samples(a.count, report.data_images, available, a.samples.empty() ? a.data : a.samples);
  report.images = count.images;
  report.limit = count.limit;
}

void write_results(const EvaluateArguments& a, const EvaluationReport& report) {
  if (!a.out.empty()) write_file(a.out, to_json(report));
  print_result(
      a.json, [&] { return to_json(report); }, [&] { return to_table(report); });
}

void evaluate(const EvaluateArguments& a) {
  check_arguments(a);
  const auto world = World::join(device_choice(a.device));
  const at::Device device = world->device().device();
  const int threads = threads_for_rank(world->host().local_size());
  set_arithmetic({Precision::kFp32, true, 1});

  EvaluationReport report;
  report.seed = a.seed;
  std::shared_ptr<const Dataset> data;
  std::unique_ptr<FeatureNetwork> network;
  std::unique_ptr<ImagesByClass> by_class;
  const Subject subject = rank_zero_first(*world, [&] {
    if (world->rank() == 0 && !a.out.empty()) require_writable(a.out);
    data = open_evaluated_data(a, report);
    Subject opened = open_subject(a, *data, device, report);
    network = open_network(a, device, report);
    count_images(a, opened, report);
    open_source(a, device, data, opened, report);
    by_class = sort_by_class(a, opened, data);
    return opened;
  });
  world->require_equal("the evaluation", to_json(report));

  WorkProgress progress("evaluate");
  const Team team = make_team(*world, threads, progress);
  Evaluator evaluator(team, choose_real_images(data, report.images, a.seed), a.seed, network.get());
  report.metrics = evaluator.evaluate(*subject.source);
  if (by_class)
    report.classes =
        evaluate_classes(team, *by_class, report.images, a.seed, network.get(),
                         [&](std::int64_t label) { return samples_of_class(subject, label); });
  if (world->rank() == 0) {
    log::info("evaluated {} samples in {}", report.images, format_duration(progress.seconds()));
    write_results(a, report);
  }
  world->host().barrier();
}

void add_options(CLI::App& command, EvaluateArguments& a) {
  command.add_option("run", a.run, "Run directory, checkpoint or model.safetensors file")
      ->type_name("RUN");
  command.add_option("--data", a.data, "The data set: a folder of shards")
      ->required()
      ->type_name("DIR");
  command.add_option("--samples", a.samples, "Folder of shards to use as samples instead of a RUN")
      ->type_name("DIR");
  command
      .add_option("--count", a.count,
                  "Number of samples and of images of the data; default: 10000, or half of the "
                  "data set if that is less")
      ->transform(number_range<std::int64_t>(1, 1 << 24))
      ->type_name("N");
  command
      .add_option(
          "--steps", a.steps,
          "Langevin steps per sample of an energy, by default as many as in training; Gibbs "
          "steps per sample of a deep belief network [1000]")
      ->transform(number_range<std::int64_t>())
      ->type_name("N");
  command
      .add_option("--seed", a.seed,
                  "Seed of the choice of images, patches, directions and pairs; with --untrained "
                  "also of the weights")
      ->transform(number_range<std::uint64_t>())
      ->capture_default_str();
  add_raw_option(command, a.raw);
  command.add_flag("--untrained", a.untrained, "Use newly initialized weights");
  command.add_flag("--per-class", a.per_class,
                   "Also compare the samples of each class with its images");
  command
      .add_option("--inception", a.inception,
                  "TorchScript feature network, for FID and for neighbors by features")
      ->type_name("FILE.pt");
  add_device_option(command, a.device);
  command.add_option("-o,--out", a.out, "Also write the JSON to a file")->type_name("FILE.json");
  add_json_option(command, a.json);
}

}  // namespace

void add_evaluate_command(CLI::App& app) {
  auto a = std::make_shared<EvaluateArguments>();
  CLI::App* command = app.add_subcommand("evaluate", kEvaluateHelp);
  add_options(*command, *a);
  command->callback([a] { evaluate(*a); });
}

}  // namespace valley::app
