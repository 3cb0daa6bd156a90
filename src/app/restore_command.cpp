#include "app/restore_command.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <memory>

#include "app/device_choice.h"
#include "app/option_checks.h"
#include "app/restoration.h"
#include "app/restore_damage.h"
#include "app/restore_images.h"
#include "app/restore_picture.h"
#include "app/strip_picture.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/file_type.h"
#include "core/json_text.h"
#include "core/text.h"
#include "inference/damage.h"
#include "inference/neighbour_filters.h"
#include "inference/restorer.h"
#include "kernels/device.h"
#include "record/image_grid.h"
#include "storage/safetensors.h"

namespace valley::app {
namespace {

constexpr const char* kRestoreHelp =
    "Put damaged images right with a model: find pixels that are missing, take noise away.\n\n"
    "Images are damaged here, and the result is measured against what they were; with --damaged\n"
    "they are damaged already, and the same options say how.\n\n"
    "Examples:\n"
    "  valley restore runs/00007-began-64 cat.png --box 16x16 -o restored.png       a hole\n"
    "  valley restore RUN --data data/mnist-28 --index 0-15 --salt-and-pepper 0.3 -o out.png\n"
    "  valley restore RUN old.png --damaged --mask scratches.png -o out.png --images restored\n"
    "  valley restore RUN cat.png --noise 0.2 --strip steps.png -o out.png          its steps too";

constexpr std::int64_t kRestoreBatch = 64;
constexpr std::int64_t kStripColumns = 10;

struct RestoreArguments {
  std::string run;
  std::vector<std::string> files;
  std::string data;
  std::string index = "0-7";
  DamageArguments damage;
  RestoreRequest request;
  std::string out;
  std::string strip;
  std::string images;
  std::string save;
  std::uint64_t seed = 0;
  std::string device = "auto";
  bool raw = false;
  bool json = false;
};

void check_arguments(const RestoreArguments& a) {
  if (a.files.empty() == a.data.empty())
    throw Error(ExitCode::kUsage,
                "valley restore takes either IMAGE files or --data DIR, a folder of shards; see "
                "valley restore --help");
  for (const std::string& file : {a.out, a.strip, a.save}) {
    if (!file.empty()) require_writable(file);
  }
  if (!a.images.empty() && valley::is_there(a.images, true) && !is_folder(a.images, true))
    throw Error(ExitCode::kCannotWrite, "--images {}: it is no folder", a.images);
}

std::vector<double> energies_of(const ImageEnergy& energy, const at::Tensor& images,
                                const std::string& what, const NamedImages& given,
                                std::int64_t first) {
  const at::NoGradGuard no_grad;
  const at::Tensor energies =
      energy.energy(images.to(energy.device())).to(at::kCPU, at::kDouble).contiguous();
  std::vector<double> values(energies.const_data_ptr<double>(),
                             energies.const_data_ptr<double>() + energies.numel());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i]))
      throw Error(ExitCode::kData, "{}: the model's energy of the {} image is not finite ({})",
                  given.names[static_cast<std::size_t>(first) + i], what, values[i]);
  }
  return values;
}

// Restores images whose positions follow one another, and says what it is worth.
class BatchRestorer {
 public:
  BatchRestorer(const RestoreArguments& a, const ImageEnergy& energy, const Restorer& restorer,
                const NamedImages& given, const DamagedSet& set)
      : a_(a), energy_(energy), restorer_(restorer), given_(given), set_(set) {}

  void restore(std::int64_t first, std::int64_t n, Restoration& result) const {
    RestoreTask task;
    task.damaged = set_.damaged.narrow(0, first, n);
    task.unknown = set_.unknown.narrow(0, first, n);
    task.start = fill_unknown(task.damaged, task.unknown);
    task.noise = set_.noise;
    task.guess = task.noise > 0 ? median_filter(task.start) : task.start;
    task.seed = a_.seed;
    task.position = given_.positions[static_cast<std::size_t>(first)];
    const std::vector<std::int64_t> columns = a_.strip.empty()
                                                  ? std::vector<std::int64_t>{}
                                                  : spread_steps(restorer_.steps(), kStripColumns);
    TrajectoryRecorder recorder([&](const at::Tensor& x) { return energy_.energy(x); }, columns,
                                [&](std::int64_t row) { return name(first + row); });
    task.watch = [&](std::int64_t steps, const at::Tensor& x) { recorder.see(steps, x); };
    const at::Tensor restored = restorer_.restore(task);
    if (!a_.strip.empty()) result.strips.push_back(recorder.take());
    measure(task, restored, first, result);
  }

 private:
  [[nodiscard]] const std::string& name(std::int64_t i) const {
    return given_.names[static_cast<std::size_t>(i)];
  }

  void measure(const RestoreTask& task, const at::Tensor& restored, std::int64_t first,
               Restoration& result) const {
    const at::Tensor& filled = task.guess;
    const std::vector<double> damaged_energy =
        energies_of(energy_, task.damaged, "damaged", given_, first);
    const std::vector<double> filled_energy = energies_of(energy_, filled, "filled", given_, first);
    const std::vector<double> energy = energies_of(energy_, restored, "restored", given_, first);
    std::vector<double> truth_energy(energy.size());
    if (set_.truth.defined())
      truth_energy =
          energies_of(energy_, unit_images(set_.truth.narrow(0, first, restored.size(0)), at::kCPU),
                      "true", given_, first);
    const std::int64_t before = result.damaged.defined() ? result.damaged.size(0) : 0;
    const auto add = [](at::Tensor& all, const at::Tensor& images) {
      all = all.defined() ? at::cat({all, bytes_of_unit(images)}) : bytes_of_unit(images);
    };
    add(result.damaged, task.damaged);
    add(result.filled, filled);
    add(result.restored, restored);
    for (std::size_t i = 0; i < energy.size(); ++i) {
      const std::int64_t row = before + static_cast<std::int64_t>(i);
      const at::Tensor unknown = set_.unknown[row][0];
      RestoredImage image{name(row), unknown.sum().item<std::int64_t>(), truth_energy[i], {}, {},
                          {}};
      image.damaged = version(result.damaged[row], row, damaged_energy[i]);
      image.filled = version(result.filled[row], row, filled_energy[i]);
      image.restored = version(result.restored[row], row, energy[i]);
      result.images.push_back(std::move(image));
    }
  }

  [[nodiscard]] Version version(const at::Tensor& pixels, std::int64_t row, double energy) const {
    if (!set_.truth.defined()) return {energy, {}, {}};
    const at::Tensor truth = set_.truth[row];
    return {energy, squared_error(pixels, truth),
            squared_error(pixels, truth, set_.unknown[row][0])};
  }

  const RestoreArguments& a_;
  const ImageEnergy& energy_;
  const Restorer& restorer_;
  const NamedImages& given_;
  const DamagedSet& set_;
};

void write_images(const RestoreArguments& a, const Restoration& r) {
  std::filesystem::create_directories(a.images);
  for (std::size_t i = 0; i < r.images.size(); ++i) {
    const at::Tensor pixels = r.restored[static_cast<std::int64_t>(i)];
    const std::string stem =
        a.data.empty() ? std::filesystem::path(r.images[i].name).stem().string() : "image";
    write_png(std::filesystem::path(a.images) / fmt::format("{:04}-{}.png", i, stem),
              {{pixels.const_data_ptr<std::uint8_t>(), static_cast<std::size_t>(pixels.numel())},
               pixels.size(0),
               pixels.size(1),
               pixels.size(2)});
  }
}

void write_results(const RestoreArguments& a, const Restoration& r) {
  write_picture(a.out, r);
  if (!a.strip.empty()) {
    std::vector<std::string> names;
    for (const RestoredImage& image : r.images)
      names.push_back(std::filesystem::path(image.name).filename().string());
    write_strip(a.strip, r.strips, names);
  }
  if (!a.images.empty()) write_images(a, r);
  if (!a.save.empty()) {
    TensorMap tensors{{"damaged", r.damaged},
                      {"filled", r.filled},
                      {"restored", r.restored},
                      {"unknown", r.unknown.squeeze(1).to(at::kByte)}};
    if (r.has_truth) tensors["truth"] = r.truth;
    write_safetensors(a.save, {tensors, {}});
  }
  if (a.json) {
    print_json_text(to_json(r));
  } else {
    print_to_stdout("{}", to_table(r));
  }
}

void restore(const RestoreArguments& a) {
  check_damage(a.damage, a.files.size());
  check_arguments(a);
  set_arithmetic({Precision::kFp32, true, threads_for_rank(1)});
  const SavedModel saved = load_model(a.run, a.raw ? Weights::kRaw : Weights::kAveraged,
                                      take_device(device_choice(a.device)));
  const std::unique_ptr<ImageEnergy> energy = make_image_energy(saved, saved.device);
  const NamedImages given = a.data.empty() ? read_image_files(a.files, saved.options)
                                           : read_shard_images(a.data, a.index, saved.options);
  at::Tensor truth;
  if (!a.damage.truth.empty()) truth = read_image_files(a.damage.truth, saved.options).pixels;
  const DamagedSet set = damage_images(a.damage, given.pixels, truth, given.positions, a.seed);
  RestoreRequest request = a.request;
  request.is_noisy = set.noise > 0;
  const std::unique_ptr<Restorer> restorer = make_restorer(saved, *energy, request);

  Restoration result;
  result.model = saved.file.string();
  result.method = restorer->describe();
  result.energy = energy->describe();
  result.unknown_by = set.unknown_by;
  result.noise = set.noise;
  result.has_truth = set.truth.defined();
  result.truth = set.truth;
  result.unknown = set.unknown;
  const BatchRestorer batches(a, *energy, *restorer, given, set);
  const auto n = static_cast<std::int64_t>(given.positions.size());
  for (std::int64_t first = 0; first < n;) {
    std::int64_t end = first + 1;
    while (end < n && end - first < kRestoreBatch &&
           given.positions[static_cast<std::size_t>(end)] ==
               given.positions[static_cast<std::size_t>(end - 1)] + 1)
      ++end;
    batches.restore(first, end - first, result);
    first = end;
  }
  write_results(a, result);
}

void add_damage_options(CLI::App& command, DamageArguments& d) {
  command
      .add_option("--salt-and-pepper", d.salt_and_pepper,
                  "Share of the pixels that turn black or white, one as likely as the other")
      ->transform(number_range<double>())
      ->type_name("P");
  command
      .add_option("--noise", d.noise,
                  "Standard deviation of normal noise on every pixel, of a range of 0 to 1")
      ->transform(number_range<double>())
      ->type_name("SIGMA");
  command
      .add_option("--box", d.box, "A box of pixels that are missing: X,Y,W,H or WxH in the centre")
      ->type_name("BOX");
  command.add_option("--mask", d.mask, "A picture that is white where pixels are missing")
      ->type_name("FILE.png");
  command.add_flag("--damaged", d.damaged,
                   "Images are damaged already, as the options above say; salt and pepper is then "
                   "looked for. With none of them: noise of 0.1");
  command.add_flag("--blind", d.blind,
                   "Look for salt and pepper instead of being told where it was put");
  command
      .add_option("--truth", d.truth,
                  "What the images were, a file each; they count as --damaged then")
      ->type_name("FILE");
}

void add_method_options(CLI::App& command, RestoreRequest& r) {
  command
      .add_option("--method", r.method,
                  "code: the autoencoder's code that fits; project: through the autoencoder; "
                  "gradient: descent on the energy; langevin: with noise; auto: code, of noisy "
                  "images project, of models without an autoencoder gradient")
      ->check(CLI::IsMember(restore_methods()))
      ->capture_default_str();
  command.add_option("--steps", r.chain.steps, "Steps of the method")
      ->transform(number_range<std::int64_t>())
      ->type_name("N");
  command
      .add_option("--step-size", r.chain.step_size,
                  "What the gradient is multiplied by in a step; default: the model's")
      ->transform(number_range<double>())
      ->type_name("X");
  command
      .add_option("--chain-noise", r.chain.noise,
                  "Standard deviation of the noise in a step of langevin; default: the model's")
      ->transform(number_range<double>())
      ->type_name("X");
  command
      .add_option("--clamp", r.chain.clamp,
                  "Largest element of the gradient, 0: any; default: the model's")
      ->transform(number_range<double>())
      ->type_name("X");
  command
      .add_option("--weight", r.weight,
                  "How much noisy pixels count against the model; see docs/restoring.md")
      ->transform(number_range<double>())
      ->type_name("X");
}

}  // namespace

void add_restore_command(CLI::App& app) {
  auto a = std::make_shared<RestoreArguments>();
  CLI::App* command = app.add_subcommand("restore", kRestoreHelp);
  command->add_option("run", a->run, "A run directory, a checkpoint or a model.safetensors")
      ->required()
      ->type_name("RUN");
  command->add_option("images", a->files, "PNG, JPEG or WebP files of the model's size")
      ->type_name("IMAGE");
  command->add_option("--data", a->data, "Images of a folder of shards instead")->type_name("DIR");
  command->add_option("--index", a->index, "Which images of --data")->capture_default_str();
  add_damage_options(*command, a->damage);
  add_method_options(*command, a->request);
  command
      ->add_option("-o,--out", a->out,
                   "The picture to write: truth, damaged, filled, restored, with PSNR and energies")
      ->check(png_name())
      ->required()
      ->type_name("FILE.png");
  command->add_option("--strip", a->strip, "Also a picture of each image over the steps")
      ->check(png_name())
      ->type_name("FILE.png");
  command->add_option("--images", a->images, "Also write each restored image, as a PNG")
      ->type_name("DIR");
  command->add_option("--save", a->save, "Also write truth, damaged, filled, restored and unknown")
      ->type_name("FILE.safetensors");
  command->add_option("--seed", a->seed, "Of the damage and of langevin's noise")
      ->transform(number_range<std::uint64_t>())
      ->capture_default_str();
  command->add_flag("--raw", a->raw, "The weights themselves instead of their moving average");
  add_device_option(*command, a->device, "Where images are restored");
  command->add_flag("--json", a->json, "JSON on stdout instead of the table");
  command->callback([a] { restore(*a); });
}

}  // namespace valley::app
