#include "sources/several_sources.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/json_text.h"
#include "core/text.h"

namespace valley {

class SeveralSources::Reader final : public ImageReader {
 public:
  explicit Reader(const SeveralSources& all) : all_(all), readers_(all.sources_.size()) {}
  [[nodiscard]] std::variant<Image, Reject> load(std::uint64_t index) override {
    const Place place = all_.place_of(index);
    last_ = place.source;
    if (!readers_[last_]) readers_[last_] = all_.sources_[last_].source->open_reader();
    return readers_[last_]->load(place.index);
  }
  [[nodiscard]] std::string_view encoded() const override {
    return readers_[last_] ? readers_[last_]->encoded() : std::string_view();
  }
  void done() override {
    if (readers_[last_]) readers_[last_]->done();
  }

 private:
  const SeveralSources& all_;
  std::vector<std::unique_ptr<ImageReader>> readers_;
  std::size_t last_ = 0;
};

SeveralSources::SeveralSources(std::vector<NamedSource> sources) : sources_(std::move(sources)) {
  std::uint64_t end = 0;
  for (const NamedSource& one : sources_) ends_.push_back(end += one.source->size());
  merge_classes();
  require_same_vectors();
}

void SeveralSources::require_same_vectors() const {
  const NamedSource& first = sources_.front();
  for (const NamedSource& one : sources_)
    if (one.source->label_vector_names() != first.source->label_vector_names())
      throw Error(ExitCode::kUsage,
                  "the label vectors of {} and {} have different names, so they cannot be merged; "
                  "build both with the same columns of --label-vectors, or without it",
                  first.name, one.name);
}

void SeveralSources::merge_classes() {
  std::set<std::string> names;
  std::string with;
  std::string without;
  for (const NamedSource& one : sources_) {
    const std::vector<std::string> own = one.source->class_names();
    names.insert(own.begin(), own.end());
    bool has_labels = false;
    for (std::uint64_t i = 0; i < one.source->size() && !has_labels; ++i)
      has_labels = one.source->label(i) >= 0;
    if (has_labels) (own.empty() ? without : with) = one.name;
  }
  if (!with.empty() && !without.empty())
    throw Error(ExitCode::kUsage,
                "the classes of {} have names and those of {} only numbers, so they cannot be "
                "matched; build them separately, or with --labels none",
                with, without);
  class_names_.assign(names.begin(), names.end());
  std::map<std::string, std::int64_t> numbers;
  for (const std::string& name : class_names_)
    numbers.emplace(name, static_cast<std::int64_t>(numbers.size()));
  for (const NamedSource& one : sources_) {
    std::vector<std::int64_t>& classes = classes_.emplace_back();
    for (const std::string& name : one.source->class_names()) classes.push_back(numbers.at(name));
  }
}

SeveralSources::Place SeveralSources::place_of(std::uint64_t index) const {
  const auto source =
      static_cast<std::size_t>(std::ranges::upper_bound(ends_, index) - ends_.begin());
  return {source, index - (source == 0 ? 0 : ends_[source - 1])};
}

std::string SeveralSources::name(std::uint64_t index) const {
  const Place place = place_of(index);
  return sources_[place.source].name + "/" + sources_[place.source].source->name(place.index);
}

std::optional<std::array<std::uint32_t, 2>> SeveralSources::orig_size(std::uint64_t index) const {
  const Place place = place_of(index);
  return sources_[place.source].source->orig_size(place.index);
}

std::int64_t SeveralSources::label(std::uint64_t index) const {
  const Place place = place_of(index);
  const std::int64_t own = sources_[place.source].source->label(place.index);
  if (own < 0 || class_names_.empty()) return own;
  return classes_[place.source][static_cast<std::size_t>(own)];
}

std::vector<float> SeveralSources::label_vector(std::uint64_t index) const {
  const Place place = place_of(index);
  return sources_[place.source].source->label_vector(place.index);
}

std::string SeveralSources::identity_json() const {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const NamedSource& one : sources_)
    all.push_back({{"name", one.name},
                   {"source", parse_json<nlohmann::ordered_json>(one.source->identity_json(),
                                                                 "the source's identity")}});
  return write_json(nlohmann::ordered_json{{"kind", "several"}, {"sources", all}});
}

std::unique_ptr<ImageReader> SeveralSources::open_reader() const {
  return std::make_unique<Reader>(*this);
}

std::optional<FileDecoding> SeveralSources::decoding() const {
  const std::optional<FileDecoding> first = sources_.front().source->decoding();
  for (const NamedSource& one : sources_)
    if (one.source->decoding() != first) return std::nullopt;
  return first;
}

// Each source gets the positions of its own candidates.
void SeveralSources::expect_order(const ReadingOrder& order) const {
  std::vector<std::vector<std::uint64_t>> own(sources_.size());
  for (std::uint64_t position = order.first; position < order.end; ++position) {
    const Place place = place_of(order.at(position));
    own[place.source].push_back(place.index);
  }
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const std::uint64_t end = own[i].size();
    sources_[i].source->expect_order(
        {[indices = std::move(own[i])](std::uint64_t position) { return indices[position]; }, 0,
         end});
  }
}

std::string SeveralSources::listing() const {
  std::string lines;
  for (const NamedSource& one : sources_) lines += one.source->listing();
  return lines;
}

std::vector<std::string> unique_names(const std::vector<std::string>& sources) {
  std::vector<std::string> names;
  std::map<std::string, int> seen;
  for (const std::string& source : sources) {
    std::filesystem::path path(source);
    if (!path.has_filename()) path = path.parent_path();
    std::string name = path.filename().string();
    if (const auto dot = name.find('.'); dot != std::string::npos && dot > 0) name.resize(dot);
    name = escaped_name(name.empty() ? "source" : name);
    const int count = ++seen[name];
    names.push_back(count == 1 ? name : fmt::format("{}-{}", name, count));
  }
  return names;
}

}  // namespace valley
