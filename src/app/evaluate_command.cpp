#include "app/evaluate_command.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <optional>

#include "app/device_choice.h"
#include "app/evaluate_report.h"
#include "app/option_checks.h"
#include "app/work_progress.h"
#include "comm/world.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/log.h"
#include "core/text.h"
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
    "Measure a model's samples against data, each number beside that of other real images.\n\n"
    "Examples:\n"
    "  valley evaluate runs/00007-began-64 --data data/emoji-64               a table\n"
    "  mpirun -n 4 valley evaluate runs/00007-began-64 --data data/emoji-64   the same, sooner\n"
    "  valley evaluate runs/00007-began-64 --data data/emoji-64 --untrained   what it began with\n"
    "  valley evaluate --samples shards/drawn --data data/emoji-64 --json     any images as "
    "shards\n"
    "  valley evaluate RUN --data SHARDS --inception inception-2015-12-05.pt  FID as well";

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
  bool json = false;
};

// What is compared with the data, and what the source of it needs to stay.
struct Subject {
  std::shared_ptr<const Dataset> images;
  std::unique_ptr<SavedModel> model;
  std::unique_ptr<SampleSource> source;
};

void check_arguments(const EvaluateArguments& a) {
  if (a.run.empty() == a.samples.empty())
    throw Error(ExitCode::kUsage,
                "valley evaluate takes either a RUN, whose model draws samples, or --samples DIR, "
                "a folder of shards; see valley evaluate --help");
  if (a.raw && (a.untrained || a.run.empty()))
    throw Error(ExitCode::kUsage, "--raw is for the trained weights of a RUN");
  if (a.untrained && a.run.empty())
    throw Error(ExitCode::kUsage, "--untrained is for the networks of a RUN");
}

std::string shape_of(std::int64_t height, std::int64_t width, std::int64_t channels) {
  return fmt::format("{}x{}x{}", width, height, channels);
}

void require_same_shape(const std::string& shape, const std::string& samples, const Dataset& data) {
  const std::string needed = shape_of(data.height(), data.width(), data.channels());
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
  report.samples = a.samples;
  report.fingerprint = subject.images->fingerprint();
  if (report.fingerprint == report.data_fingerprint)
    log::info("{} and {} hold the same images: a set is compared with itself", a.samples, a.data);
  return subject;
}

Subject open_model(const EvaluateArguments& a, at::Device device, EvaluationReport& report) {
  Subject subject;
  subject.model = std::make_unique<SavedModel>(
      load_model(a.run, a.raw || a.untrained ? Weights::kRaw : Weights::kAveraged, device));
  if (a.untrained) reset_weights(*subject.model, a.seed);
  subject.source = make_sample_source(*subject.model, device, a.steps);
  report.samples = subject.model->file.string();
  report.weights = a.untrained ? "untrained" : subject.model->averaged ? "averaged" : "raw";
  return subject;
}

Subject open_subject(const EvaluateArguments& a, const Dataset& data, at::Device device,
                     EvaluationReport& report) {
  Subject subject = a.run.empty() ? open_shards(a, report) : open_model(a, device, report);
  std::string shape;
  if (subject.images) {
    shape = shape_of(subject.images->height(), subject.images->width(), subject.images->channels());
  } else {
    const ModelOptions& o = subject.model->options;
    shape = shape_of(o.resolution, o.resolution, o.channels);
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
  if (a.json) {
    print_json_text(to_json(report));
  } else {
    print_to_stdout("{}", to_table(report));
  }
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
  const Subject subject = rank_zero_first(*world, [&] {
    if (world->rank() == 0 && !a.out.empty()) require_writable(a.out);
    data = open_evaluated_data(a, report);
    Subject opened = open_subject(a, *data, device, report);
    network = open_network(a, device, report);
    count_images(a, opened, report);
    return opened;
  });
  world->require_equal("what is evaluated", to_json(report));

  WorkProgress progress("evaluate");
  Team team{&world->host(), threads, {}};
  if (world->rank() == 0) {
    team.progress = [&](const std::string& doing, double share) { progress.show(doing, share); };
  }
  Evaluator evaluator(team, data, report.images, a.seed, network.get());
  report.metrics = evaluator.evaluate(*subject.source);
  if (world->rank() == 0) {
    log::info("evaluated {} samples in {}", report.images, format_duration(progress.seconds()));
    write_results(a, report);
  }
  world->host().barrier();
}

}  // namespace

void add_evaluate_command(CLI::App& app) {
  auto a = std::make_shared<EvaluateArguments>();
  CLI::App* command = app.add_subcommand("evaluate", kEvaluateHelp);
  command->add_option("run", a->run, "A run directory, a checkpoint or a model.safetensors")
      ->type_name("RUN");
  command->add_option("--data", a->data, "The data set: a folder of shards")
      ->required()
      ->type_name("DIR");
  command->add_option("--samples", a->samples, "Images as shards instead of a model's samples")
      ->type_name("DIR");
  command
      ->add_option("--count", a->count,
                   "Samples, and images of data; default: 10000, or half of the data set where "
                   "that is less")
      ->transform(number_range<std::int64_t>(1, 1 << 24))
      ->type_name("N");
  command
      ->add_option("--steps", a->steps,
                   "Langevin steps from noise to each sample of an energy, by default as many as "
                   "training's chains have; Gibbs steps to each of a deep belief network [1000]")
      ->transform(number_range<std::int64_t>())
      ->type_name("N");
  command
      ->add_option("--seed", a->seed,
                   "Of the choice of images, patches, directions and pairs; with --untrained of "
                   "the weights too")
      ->transform(number_range<std::uint64_t>())
      ->capture_default_str();
  command->add_flag("--raw", a->raw, "The weights themselves instead of their moving average");
  command->add_flag("--untrained", a->untrained, "The networks with the weights of a fresh start");
  command
      ->add_option("--inception", a->inception,
                   "A TorchScript network of features, for FID and neighbours among them")
      ->type_name("FILE.pt");
  add_device_option(*command, a->device, "Where samples and features are computed");
  command->add_option("-o,--out", a->out, "Also write the JSON to a file")->type_name("FILE.json");
  command->add_flag("--json", a->json, "JSON on stdout instead of the table");
  command->callback([a] { evaluate(*a); });
}

}  // namespace valley::app
