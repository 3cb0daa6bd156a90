#include "readers.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>

#include "core/error.h"
#include "core/hash.h"
#include "core/json_text.h"
#include "core/read_file.h"
#include "core/self_digest.h"
#include "data/dataset.h"
#include "data/verify.h"
#include "doctor/flight.h"
#include "experiment/experiment.h"
#include "inference/saved_model.h"
#include "record/event_writer.h"
#include "record/stats_writer.h"
#include "report/page.h"
#include "report/run_table.h"
#include "run/rescue.h"
#include "run/resume.h"
#include "run/watch.h"
#include "storage/checkpoint.h"
#include "storage/run_directory.h"
#include "train/trainer.h"

namespace valley::chaos {
namespace {

namespace fs = std::filesystem;

std::string digest(const TensorFile& file) {
  Sha256 sha256;
  stream_safetensors(file, [&](Bytes bytes) { sha256.update(bytes); });
  return sha256.hex();
}

Found read_state(const fs::path& checkpoint) {
  const Checkpoint c = read_checkpoint(checkpoint);
  return {fmt::format("{} {} {} {}", c.step, digest(c.model), digest(c.state), c.state_json), {}};
}

Found read_model(const fs::path& named) {
  const SavedModel saved = load_model(named, Weights::kAveraged, at::kCPU);
  TensorFile file;
  file.metadata = saved.metadata;
  for (const NamedNetwork& n : saved.model->networks()) {
    for (const Parameter& p : n.network->parameters().all())
      file.tensors[n.name + "." + p.name] = p.value;
    for (const Buffer& b : n.network->parameters().buffers())
      file.tensors[n.name + "." + b.name] = b.value;
  }
  return {digest(file), {}};
}

// `valley train --resume RUN` up to the first step.
Found resume(const fs::path& run) {
  const fs::path config = run / "config.toml";
  require_digest_line(read_config(config), config.string());
  Experiment experiment;
  Schema schema = Experiment::load(experiment, config, {});
  experiment.resolve(schema);
  StartRequest request;
  request.resume = run.string();
  std::string rescues = to_json(read_rescues(run));
  const RunChoice choice = choose_run(request, schema, [&](const auto&, const auto& checkpoint) {
    if (!checkpoint) return;
    const Checkpoint c = read_checkpoint(*checkpoint);
    require_same_training(c.state.metadata, schema, experiment.data.path,
                          Dataset::open(experiment.data.path)->fingerprint(), checkpoint->string());
  });
  if (!choice.checkpoint) return {"no checkpoint", {}};
  return {choice.checkpoint->string() + read_state(*choice.checkpoint).content + rescues +
              schema.to_toml(),
          {}};
}

// `valley train` with a config of its own and --resume: the run's config.toml is compared only.
Found resume_with_config(const fs::path& run, const std::string& config) {
  Experiment experiment;
  Schema schema = experiment.schema();
  schema.load_text(config, "own.toml", {});
  StartRequest request;
  request.resume = run.string();
  const RunChoice choice = choose_run(request, schema, [](const auto&, const auto&) {});
  return {choice.checkpoint.value_or("").string(), {}};
}

Found page_of(const fs::path& run) {
  const report::RunFiles files = report::read_run(run, {});
  return {report::make_page({files}, "test"), files.notices};
}

Found table_of(const fs::path& runs) {
  const std::vector<report::RunRow> rows = report::list_runs(runs);
  Found found{report::to_json(rows), {}};
  static_cast<void>(report::to_text(rows, runs));
  for (const report::RunRow& row : rows)
    if (row.state == "damaged") found.notices.push_back(row.reason);
  return found;
}

// Writes what a resumed launch writes, to copies of the files of a run.
Found continue_records(const fs::path& run, const fs::path& scratch) {
  fs::remove_all(scratch);
  fs::create_directories(scratch);
  for (const fs::directory_entry& entry : fs::directory_iterator(run)) {
    const std::string extension = entry.path().extension();
    if (entry.is_regular_file() && extension != ".png" && extension != ".html")
      fs::copy_file(entry.path(), scratch / entry.path().filename());
  }
  constexpr std::int64_t kStep = 4;
  RunDirectory directory = RunDirectory::open(scratch);
  directory.record_start("{\"command\": \"x\"}");
  RunWatch watch(true);
  watch.replay(directory.stats_file());
  StatsWriter(directory.stats_file(), kStep).write({{"step", kStep + 1}});
  const std::string config = read_file(directory.config_file());
  { const EventWriter events(scratch, 1'000'000, config); }
  Found found;
  for (const fs::directory_entry& entry : fs::directory_iterator(scratch)) {
    const std::string name = entry.path().filename();
    if (name == "run.json" || name == "stats.jsonl" || name.starts_with("events."))
      found.content += name + read_file(entry.path());
  }
  found.content += watch.is_healthy(1) ? "healthy" : "";
  return found;
}

Found explain(const fs::path& run) {
  const doctor::FlightExplanation e = doctor::explain_flight(run);
  return {to_text(e) + to_json(e), {}};
}

Found read_images(const fs::path& directory) {
  const auto data = Dataset::open(directory);
  Sha256 sha256;
  const auto add = [&](const auto& value) { sha256.update(std::as_bytes(std::span(&value, 1))); };
  std::vector<std::uint8_t> pixels(data->image_bytes());
  for (std::uint64_t i = 0; i < data->size(); ++i) {
    data->read(i, pixels, true);
    sha256.update(std::as_bytes(std::span(pixels)));
    add(data->label(i));
    add(data->orig_size(i));
    sha256.update(as_bytes(data->name(i)));
    sha256.update(std::as_bytes(data->label_vector(i)));
  }
  std::string content = sha256.hex() + data->fingerprint();
  for (const auto* names : {&data->class_names(), &data->label_vector_names()})
    for (const std::string& name : *names) content += name + "\n";
  return {content, {}};
}

Found verify(const fs::path& directory, bool deep) {
  const VerifyReport report = verify_dataset(directory, deep);
  Found found{fmt::format("{} images, {} shards", report.images, report.shards), {}};
  for (const Problem& problem : report.problems)
    found.notices.push_back(problem.file + ": " + problem.what);
  return found;
}

std::string kind_in_run(const fs::path& relative) {
  const std::string name = relative.filename();
  if (*relative.begin() == "checkpoints")
    return name == "COMMIT" || name == "state.json" ? "COMMIT, state.json"
                                                    : "tensors of checkpoints";
  if (*relative.begin() == "flight") return "flight records";
  if (name.starts_with("events.")) return "TensorBoard events";
  if (name.ends_with(".png")) return "PNG images";
  if (name == "run.json" || name == "exit.json") return "run.json, exit.json";
  return name;
}

bool is_plain_text(const std::string& kind) {
  return kind == "run.json, exit.json" || kind == "stats.jsonl" || kind == "time.jsonl" ||
         kind == "log.txt" || kind == "flight records";
}

// Without leftovers of a checkpoint that was not completed.
std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && entry.path().filename() != ".lock" &&
        !entry.path().parent_path().filename().string().starts_with(".tmp-") &&
        entry.path().filename() != "report.html")
      files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

void add_run(const fs::path& run, const fs::path& scratch, std::vector<Victim>& victims) {
  const std::string config = read_file(run / "config.toml");
  const Reader resumed{"resume", [=] { return resume(run); }};
  const Reader compared{"resume with a config", [=] { return resume_with_config(run, config); }};
  const Reader page{"report", [=] { return page_of(run); }};
  const Reader table{"runs", [=] { return table_of(run.parent_path()); }};
  const Reader records{"records of a resume",
                       [=] { return continue_records(run, scratch / "run"); }};
  const bool has_flight = fs::exists(run / "flight");
  for (const fs::path& file : files_in(run)) {
    const fs::path relative = file.lexically_relative(run);
    Victim v{file, kind_in_run(relative), false, {}};
    v.is_plain_text = is_plain_text(v.kind);
    if (*relative.begin() == "checkpoints") {
      const fs::path checkpoint = file.parent_path();
      v.readers = {{"checkpoint", [=] { return read_state(checkpoint); }},
                   {"model", [=] { return read_model(checkpoint / "model.safetensors"); }},
                   {"model of the run", [=] { return read_model(run); }},
                   resumed};
    } else if (*relative.begin() == "flight") {
      if (has_flight) v.readers = {{"doctor --flight", [=] { return explain(run); }}};
    } else {
      v.readers = {resumed, compared, page, table};
      v.readers.back().shows_text = v.kind == "config.toml";
      if (v.kind != "config.toml") v.readers.push_back(records);
    }
    victims.push_back(std::move(v));
  }
}

void add_dataset(const fs::path& directory, std::vector<Victim>& victims) {
  for (const fs::path& file : files_in(directory)) {
    const std::string name = file.filename();
    Victim v{file, name, false, {}};
    if (name.starts_with("shard-")) v.kind = "shards, " + directory.filename().string();
    v.readers = {{"data set", [=] { return read_images(directory); }},
                 {"verify", [=] { return verify(directory, false); }},
                 {"verify --deep", [=] { return verify(directory, true); }}};
    victims.push_back(std::move(v));
  }
}

}  // namespace

std::vector<Victim> find_victims(const fs::path& folder, const fs::path& scratch) {
  std::vector<Victim> victims;
  std::vector<fs::path> folders;
  for (const char* kind : {"runs", "data"})
    for (const fs::directory_entry& entry : fs::directory_iterator(folder / kind))
      if (entry.is_directory()) folders.push_back(entry.path());
  std::ranges::sort(folders);
  for (const fs::path& path : folders) {
    if (path.parent_path().filename() == "data")
      add_dataset(path, victims);
    else
      add_run(path, scratch, victims);
  }
  return victims;
}

}  // namespace valley::chaos
