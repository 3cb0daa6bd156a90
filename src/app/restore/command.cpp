#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <memory>

#include "app/chain_strip.h"
#include "app/commands.h"
#include "app/number_lists.h"
#include "app/options.h"
#include "app/print_result.h"
#include "app/restore/batch.h"
#include "app/restore/damage.h"
#include "app/restore/inputs.h"
#include "app/restore/plots.h"
#include "app/restore/report.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/file_type.h"
#include "inference/latent_search.h"
#include "kernels/device.h"
#include "record/image_grid.h"
#include "storage/safetensors.h"

namespace valley::app {
namespace {

constexpr const char* kRestoreHelp =
    "Restore damaged images with a model: fill in missing pixels, remove noise.\n\n"
    "The command damages the images and compares the result with the originals. With --damaged "
    "the\n"
    "images are damaged already, and the same options describe the damage.\n\n"
    "Examples:\n"
    "  valley restore runs/00007-began-64 cat.png --box 16x16 -o restored.png       a hole\n"
    "  valley restore RUN --data data/mnist-28 --index 0-15 --salt-and-pepper 0.3 -o out.png\n"
    "  valley restore RUN old.png --damaged --mask scratches.png -o out.png --images restored\n"
    "  valley restore RUN cat.png --method latent --save cat.safetensors -o out.png   its latent\n"
    "  valley restore RUN cat.png --noise 0.2 --strip steps.png -o out.png          its steps";

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
    throw Error(ExitCode::kCannotWrite, "--images {}: it is not a folder; name a folder", a.images);
}

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
  write_comparison(a.out, r);
  if (!a.strip.empty()) {
    std::vector<std::string> names;
    for (const RestoredImage& image : r.images)
      names.push_back(std::filesystem::path(image.name).filename().string());
    write_chain_strip(a.strip, r.trajectories, names);
  }
  if (!a.images.empty()) write_images(a, r);
  if (!a.save.empty()) {
    TensorMap tensors{{"damaged", r.damaged},
                      {"filled", r.filled},
                      {"restored", r.restored},
                      {"unknown", r.unknown.squeeze(1).to(at::kByte)}};
    if (r.latents.defined()) {
      tensors["latents"] = r.latents;
      tensors["generated"] = r.generated;
    }
    if (r.has_truth) tensors["truth"] = r.truth;
    write_safetensors(a.save, {tensors, {}});
  }
  print_result(
      a.json, [&] { return to_json(r); }, [&] { return to_table(r); });
}

void restore(const RestoreArguments& a) {
  check_damage(a.damage, a.files.size(), a.request.method);
  check_arguments(a);
  set_arithmetic({Precision::kFp32, true, threads_for_rank(1)});
  const SavedModel saved =
      load_model(a.run, weights_to_load(a.raw), take_device(device_choice(a.device)));
  const std::unique_ptr<ImageEnergy> energy = make_image_energy(saved, saved.device);
  const NamedImages inputs = a.data.empty() ? read_image_files(a.files, saved.options)
                                            : read_shard_images(a.data, a.index, saved.options);
  at::Tensor truth;
  if (!a.damage.truth.empty()) truth = read_image_files(a.damage.truth, saved.options).pixels;
  const DamagedSet set = damage_images(a.damage, inputs.pixels, truth, inputs.positions, a.seed);
  RestoreRequest request = a.request;
  request.is_noisy = set.noise > 0;
  request.is_intact = a.damage.is_intact();
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
  const BatchRestorer batches(*energy, *restorer, inputs, set, a.seed, !a.strip.empty());
  for (const auto& [begin, size] : split_consecutive(inputs.positions, kMaxRestoreBatch))
    batches.restore(static_cast<std::int64_t>(begin), static_cast<std::int64_t>(size), result);
  write_results(a, result);
}

void add_input_options(CLI::App& command, RestoreArguments& a) {
  add_model_argument(command, a.run);
  command.add_option("images", a.files, "PNG, JPEG or WebP files of the model's size")
      ->type_name("IMAGE");
  command.add_option("--data", a.data, "Folder of shards, instead of image files")
      ->type_name("DIR");
  command.add_option("--index", a.index, "Indices of the images of --data")->capture_default_str();
}

void add_damage_options(CLI::App& command, DamageArguments& d) {
  command
      .add_option("--salt-and-pepper", d.salt_and_pepper,
                  "Share of the pixels to replace by black or white, with equal probability")
      ->transform(number_range<double>())
      ->type_name("P");
  command
      .add_option("--noise", d.noise,
                  "Standard deviation of normal noise to add to every pixel, for pixels in [0, 1]")
      ->transform(number_range<double>())
      ->type_name("SIGMA");
  command.add_option("--box", d.box, "Box of missing pixels: X,Y,W,H, or WxH in the center")
      ->type_name("BOX");
  command.add_option("--mask", d.mask, "Image that is white where pixels are missing")
      ->type_name("FILE.png");
  command.add_flag("--damaged", d.damaged,
                   "The images are damaged already, as the options above describe; salt and pepper "
                   "is then detected. Without such an option: noise of 0.1");
  command.add_flag("--blind", d.blind,
                   "Detect salt and pepper instead of using the positions where it was added");
  command
      .add_option("--truth", d.truth,
                  "Original images to compare with, one per image; implies --damaged")
      ->type_name("FILE");
}

void add_method_options(CLI::App& command, RestoreRequest& r) {
  command
      .add_option("--method", r.method,
                  "code: fit the autoencoder's code; project: apply the autoencoder; gradient: "
                  "descend the energy; langevin: the same with noise; gibbs: resample the unknown "
                  "pixels of a deep belief network; latent: find the generator's latent vector, "
                  "also of intact images; min-sum: smooth areas with edges, without the model; auto: the "
                  "default of the model and the damage")
      ->check(CLI::IsMember(restore_methods()))
      ->capture_default_str();
  command.add_option("--steps", r.chain.steps, "Number of steps of the method")
      ->transform(number_range<std::int64_t>())
      ->type_name("N");
  command
      .add_option("--restarts", r.restarts,
                  "Further initial latents of --method latent for images that it does not fit [3]")
      ->transform(number_range<std::int64_t>(0, kLatentCandidates - 1))
      ->type_name("N");
  add_chain_options(command, r.chain);
  command
      .add_option("--weight", r.weight,
                  "Weight of noisy pixels relative to the model; see docs/restoring.md")
      ->transform(number_range<double>())
      ->type_name("X");
}

void add_output_options(CLI::App& command, RestoreArguments& a) {
  command
      .add_option("-o,--out", a.out,
                  "The PNG to write: true, damaged, filled and restored images, with PSNR and "
                  "energies")
      ->check(png_name())
      ->required()
      ->type_name("FILE.png");
  command.add_option("--strip", a.strip, "Also draw each image over the steps of the method")
      ->check(png_name())
      ->type_name("FILE.png");
  command.add_option("--images", a.images, "Also write each restored image, as a PNG")
      ->type_name("DIR");
  command
      .add_option(
          "--save", a.save,
          "Also write true, damaged, filled and restored images, the unknown pixels, and the "
          "latent vectors of --method latent")
      ->type_name("FILE.safetensors");
}

}  // namespace

void add_restore_command(CLI::App& app) {
  auto a = std::make_shared<RestoreArguments>();
  CLI::App* command = app.add_subcommand("restore", kRestoreHelp);
  add_input_options(*command, *a);
  add_damage_options(*command, a->damage);
  add_method_options(*command, a->request);
  add_output_options(*command, *a);
  command->add_option("--seed", a->seed, "Seed of the damage and of the noise of langevin")
      ->transform(number_range<std::uint64_t>())
      ->capture_default_str();
  add_raw_option(*command, a->raw);
  add_device_option(*command, a->device);
  add_json_option(*command, a->json);
  command->callback([a] { restore(*a); });
}

}  // namespace valley::app
