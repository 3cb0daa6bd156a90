#include "app/restore/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/json_text.h"

namespace valley::app {
namespace {

constexpr std::size_t kMaxImageRows = 20;

nlohmann::json psnr_to_json(const SquaredError& error) {
  const double psnr = error.psnr();
  return std::isfinite(psnr) ? nlohmann::json(psnr) : nlohmann::json(nullptr);
}

nlohmann::json to_json(const Version& version, bool has_truth) {
  nlohmann::json json{{"energy", version.energy}};
  if (!has_truth) return json;
  json["psnr"] = psnr_to_json(version.whole);
  json["psnr_unknown"] = psnr_to_json(version.unknown);
  return json;
}

nlohmann::json fit_to_json(const RestoredImage& image) {
  return {{"psnr_known", psnr_to_json(image.fit)},
          {"steps", image.latent_steps},
          {"starts", image.latent_starts}};
}

// "23.41", "equal" for identical images, "-" without pixels to compare.
std::string psnr_text(const SquaredError& error) {
  if (error.elements == 0) return "-";
  return std::isfinite(error.psnr()) ? fmt::format("{:.2f}", error.psnr()) : "equal";
}

std::string psnr_row(const std::string& name, std::int64_t unknown, const Version& damaged,
                     const Version& filled, const Version& restored) {
  return fmt::format("{:<28} {:>8} {:>9} {:>9} {:>9} {:>10} {:>9}\n", name, unknown,
                     psnr_text(damaged.whole), psnr_text(filled.whole), psnr_text(restored.whole),
                     psnr_text(filled.unknown), psnr_text(restored.unknown));
}

// `name`, shortened at its start to fit the column.
std::string fit_name(const std::string& name) {
  constexpr std::size_t kMaxLength = 28;
  return name.size() <= kMaxLength
             ? name
             : fmt::format("...{}", name.substr(name.size() - (kMaxLength - 3)));
}

std::string psnr_table(const Restoration& r) {
  std::string out = fmt::format("{:<28} {:>8} {:>9} {:>9} {:>9} {:>10} {:>9}\n", "PSNR in dB",
                                "unknown", "damaged", "filled", "restored", "filled*", "restored*");
  std::int64_t unknown = 0;
  for (const RestoredImage& image : r.images) {
    unknown += image.unknown_pixels;
    if (r.images.size() <= kMaxImageRows)
      out += psnr_row(fit_name(image.name), image.unknown_pixels, image.damaged, image.filled,
                      image.restored);
  }
  if (r.images.size() > 1)
    out += psnr_row(fmt::format("all {} images", r.images.size()), unknown,
                    pooled(r, &RestoredImage::damaged), pooled(r, &RestoredImage::filled),
                    pooled(r, &RestoredImage::restored));
  return out +
         "filled: unknown pixels from the mean of their neighbors, noise removed by a 3x3 median; "
         "*: unknown pixels only\n";
}

// Fit of the generated images, and length of the searches.
std::string fit_row(const Restoration& r) {
  SquaredError fit;
  double min_psnr = INFINITY;
  double steps = 0;
  double starts = 0;
  const auto n = static_cast<double>(r.images.size());
  for (const RestoredImage& image : r.images) {
    fit += image.fit;
    if (image.fit.elements > 0) min_psnr = std::min(min_psnr, image.fit.psnr());
    steps += static_cast<double>(image.latent_steps) / n;
    starts += static_cast<double>(image.latent_starts) / n;
  }
  return fmt::format(
      "latent   generated images fit known pixels with {} dB (worst {:.2f} dB); per image {:.1f} "
      "steps from {:.1f} initial latents\n",
      psnr_text(fit), min_psnr, steps, starts);
}

}  // namespace

Version pooled(const Restoration& restoration, Version RestoredImage::*version) {
  Version sum;
  for (const RestoredImage& image : restoration.images) {
    sum.energy += (image.*version).energy / static_cast<double>(restoration.images.size());
    sum.whole += (image.*version).whole;
    sum.unknown += (image.*version).unknown;
  }
  return sum;
}

std::string to_json(const Restoration& r) {
  nlohmann::json images = nlohmann::json::array();
  double truth_energy = 0;
  for (const RestoredImage& image : r.images) {
    nlohmann::json one{{"name", image.name},
                       {"unknown_pixels", image.unknown_pixels},
                       {"damaged", to_json(image.damaged, r.has_truth)},
                       {"filled", to_json(image.filled, r.has_truth)},
                       {"restored", to_json(image.restored, r.has_truth)}};
    if (r.latents.defined()) one["latent"] = fit_to_json(image);
    if (r.has_truth) one["truth"] = {{"energy", image.truth_energy}};
    truth_energy += image.truth_energy / static_cast<double>(r.images.size());
    images.push_back(std::move(one));
  }
  nlohmann::json all{{"damaged", to_json(pooled(r, &RestoredImage::damaged), r.has_truth)},
                     {"filled", to_json(pooled(r, &RestoredImage::filled), r.has_truth)},
                     {"restored", to_json(pooled(r, &RestoredImage::restored), r.has_truth)}};
  if (r.has_truth) all["truth"] = {{"energy", truth_energy}};
  return write_json(nlohmann::json({{"model", r.model},
                                    {"method", r.method},
                                    {"energy", r.energy},
                                    {"unknown_by", r.unknown_by},
                                    {"noise", r.noise},
                                    {"images", images},
                                    {"all", all}})) +
         "\n";
}

std::string to_table(const Restoration& r) {
  std::string out = fmt::format("{}\nmethod   {}\nunknown  {}\n", r.model, r.method, r.unknown_by);
  if (r.noise > 0) out += fmt::format("noise    {:.4g} in known pixels\n", r.noise);
  if (r.has_truth) out += psnr_table(r);
  if (r.latents.defined()) out += fit_row(r);
  out += fmt::format("energies {}, mean: ", r.energy);
  if (r.has_truth) {
    double truth = 0;
    for (const RestoredImage& image : r.images)
      truth += image.truth_energy / static_cast<double>(r.images.size());
    out += fmt::format("truth {:.4g}, ", truth);
  }
  return out + fmt::format("damaged {:.4g}, filled {:.4g}, restored {:.4g}\n",
                           pooled(r, &RestoredImage::damaged).energy,
                           pooled(r, &RestoredImage::filled).energy,
                           pooled(r, &RestoredImage::restored).energy);
}

}  // namespace valley::app
