#include "app/options.h"

#include <CLI/Validators.hpp>
#include <cctype>
#include <filesystem>

namespace valley::app {

CLI::Validator png_name() {
  return CLI::Validator(
      [](std::string& text) {
        std::string extension = std::filesystem::path(text).extension().string();
        for (char& c : extension)
          c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        if (extension == ".png" || extension.empty()) return std::string();
        return fmt::format("\"{}\" is written as PNG; name a file that ends in .png", text);
      },
      "");
}

void add_model_argument(CLI::App& command, std::string& run) {
  command.add_option("run", run, "Run directory, checkpoint or model.safetensors file")
      ->required()
      ->type_name("RUN");
}

void add_images_option(CLI::App& command, std::vector<std::string>& inputs,
                       const std::string& use) {
  command
      .add_option("--data", inputs,
                  "Images: folders of shards, folders of PNG, JPEG and WebP files, or such files; "
                  "files are cropped and resized to the model's image size" +
                      use)
      ->required()
      ->type_name("DIR|IMAGE");
}

void add_count_option(CLI::App& command, std::optional<std::uint64_t>& count) {
  command.add_option("--count", count, "Use the first N images of each set only")
      ->transform(number_range<std::uint64_t>(1, std::uint64_t{1} << 40U))
      ->type_name("N");
}

void add_device_option(CLI::App& command, std::string& device) {
  command.add_option("--device", device, "Device to compute on; auto: GPUs if there are any")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
}

DeviceChoice device_choice(std::string_view name) {
  if (name == "cpu") return DeviceChoice::kCpu;
  return name == "cuda" ? DeviceChoice::kCuda : DeviceChoice::kAuto;
}

void add_raw_option(CLI::App& command, bool& raw) {
  command.add_flag("--raw", raw, "Use the raw weights instead of their moving averages");
}

Weights weights_to_load(bool raw) { return raw ? Weights::kRaw : Weights::kAveraged; }

void add_json_option(CLI::App& command, bool& json) {
  command.add_flag("--json", json, "Print JSON on stdout instead of text");
}

void add_chain_options(CLI::App& command, ChainRequest& chain) {
  const auto add = [&](const char* name, std::optional<double>& value, const char* help) {
    command.add_option(name, value, help)->transform(number_range<double>())->type_name("X");
  };
  add("--step-size", chain.step_size,
      "Factor of the gradient in a Langevin or descent step; default: the model's");
  add("--chain-noise", chain.noise,
      "Standard deviation of the noise in a Langevin step; default: the model's");
  add("--clamp", chain.clamp,
      "Max absolute value of each element of the gradient, 0: no limit; default: the model's");
}

}  // namespace valley::app
