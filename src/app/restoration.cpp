#include "app/restoration.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/json_text.h"

namespace valley::app {
namespace {

constexpr std::size_t kMostRows = 20;  // of images in the table

nlohmann::json decibels(const SquaredError& error) {
  const double psnr = error.psnr();
  return std::isfinite(psnr) ? nlohmann::json(psnr) : nlohmann::json(nullptr);
}

nlohmann::json json_of(const Version& version, bool has_truth) {
  nlohmann::json json{{"energy", version.energy}};
  if (!has_truth) return json;
  json["psnr"] = decibels(version.whole);
  json["psnr_unknown"] = decibels(version.unknown);
  return json;
}

// "23.41", "equal" of no difference, "-" of nothing to compare.
std::string decibel_text(const SquaredError& error) {
  if (error.numbers == 0) return "-";
  return std::isfinite(error.psnr()) ? fmt::format("{:.2f}", error.psnr()) : "equal";
}

std::string psnr_row(const std::string& name, std::int64_t unknown, const Version& damaged,
                     const Version& filled, const Version& restored) {
  return fmt::format("{:<28} {:>8} {:>9} {:>9} {:>9} {:>10} {:>9}\n", name, unknown,
                     decibel_text(damaged.whole), decibel_text(filled.whole),
                     decibel_text(restored.whole), decibel_text(filled.unknown),
                     decibel_text(restored.unknown));
}

// The end of a name that is too long for its column.
std::string fit_name(const std::string& name) {
  constexpr std::size_t kMost = 28;
  return name.size() <= kMost ? name : fmt::format("...{}", name.substr(name.size() - (kMost - 3)));
}

std::string psnr_table(const Restoration& r) {
  std::string out = fmt::format("{:<28} {:>8} {:>9} {:>9} {:>9} {:>10} {:>9}\n", "PSNR in dB",
                                "unknown", "damaged", "filled", "restored", "filled*", "restored*");
  std::int64_t unknown = 0;
  for (const RestoredImage& image : r.images) {
    unknown += image.unknown_pixels;
    if (r.images.size() <= kMostRows)
      out += psnr_row(fit_name(image.name), image.unknown_pixels, image.damaged, image.filled,
                      image.restored);
  }
  if (r.images.size() > 1)
    out += psnr_row(fmt::format("all {} images", r.images.size()), unknown,
                    pooled(r, &RestoredImage::damaged), pooled(r, &RestoredImage::filled),
                    pooled(r, &RestoredImage::restored));
  return out +
         "filled: unknown pixels as the mean of their neighbours, noise by a 3x3 median; *: of "
         "unknown pixels alone\n";
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
                       {"damaged", json_of(image.damaged, r.has_truth)},
                       {"filled", json_of(image.filled, r.has_truth)},
                       {"restored", json_of(image.restored, r.has_truth)}};
    if (r.has_truth) one["truth"] = {{"energy", image.truth_energy}};
    truth_energy += image.truth_energy / static_cast<double>(r.images.size());
    images.push_back(std::move(one));
  }
  nlohmann::json all{{"damaged", json_of(pooled(r, &RestoredImage::damaged), r.has_truth)},
                     {"filled", json_of(pooled(r, &RestoredImage::filled), r.has_truth)},
                     {"restored", json_of(pooled(r, &RestoredImage::restored), r.has_truth)}};
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
