#include "data/ranked_build.h"

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "core/json_text.h"
#include "core/start_threads.h"
#include "data/chunk_queue.h"
#include "data/chunk_worker.h"
#include "data/destination.h"

namespace valley {
namespace {

using nlohmann::json;

// Pauses between exchanges: short while a rank has nothing to decode.
constexpr int kShortPause = 5;  // milliseconds
constexpr int kLongPause = 50;

// The builder of rank 0 on a thread of its own, because the main thread exchanges messages.
class RankZeroBuilder {
 public:
  RankZeroBuilder(const ImageSource& source, BuildOptions options, int ranks)
      : queue_(ranks, options.max_images), progress_(std::move(options.progress)) {
    options.progress = nullptr;
    options.chunks = &queue_;
    thread_ = start_thread("building the shards", [this, &source, options = std::move(options)] {
      try {
        report_ = build_dataset(source, options);
      } catch (...) {
        failure_ = std::current_exception();
      }
      is_done_ = true;
    });
  }
  ~RankZeroBuilder() {
    queue_.stop();
    if (thread_.joinable()) thread_.join();
  }
  RankZeroBuilder(const RankZeroBuilder&) = delete;
  RankZeroBuilder& operator=(const RankZeroBuilder&) = delete;

  // Orders for all ranks, from the reports of all. Rethrows an exception of the builder.
  [[nodiscard]] std::string orders(const std::vector<std::string>& reports,
                                   const std::string& uuid);
  [[nodiscard]] BuildReport take_report() {
    thread_.join();
    return std::move(report_);
  }

 private:
  void show_progress(std::uint64_t decoded);

  ChunkQueue queue_;
  std::function<void(const BuildProgress&)> progress_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_progress_ = began_;
  BuildReport report_;
  std::exception_ptr failure_;
  std::atomic<bool> is_done_ = false;
  std::thread thread_;
};

std::string RankZeroBuilder::orders(const std::vector<std::string>& reports,
                                    const std::string& uuid) {
  const bool is_done = is_done_;
  if (is_done && failure_) std::rethrow_exception(failure_);
  std::vector<std::size_t> waiting;
  std::uint64_t decoded = 0;
  for (const std::string& text : reports) {
    const json report = parse_json(text, "a rank's report");
    waiting.push_back(report.at("waiting").get<std::size_t>());
    decoded += report.at("decoded").get<std::uint64_t>();
    for (const json& chunk : report.at("done"))
      queue_.add(*parse_chunk(chunk.get<std::string>(), uuid, "a rank's report"));
  }
  show_progress(decoded);
  bool is_busy = true;
  for (const std::size_t count : waiting) is_busy = is_busy && count > 0;
  return write_json(json{{"is_done", is_done},
                         {"pause", is_busy ? kLongPause : kShortPause},
                         {"chunks", queue_.assign(waiting)}});
}

void RankZeroBuilder::show_progress(std::uint64_t decoded) {
  constexpr std::chrono::milliseconds kBetween{200};
  const auto now = std::chrono::steady_clock::now();
  if (!progress_ || now - last_progress_ < kBetween) return;
  last_progress_ = now;
  BuildProgress progress = queue_.progress();
  progress.candidates_done += decoded;
  progress.images += decoded;
  progress.seconds = std::chrono::duration<double>(now - began_).count();
  progress_(progress);
}

std::string report_of(ChunkWorker& worker) {
  const ChunkWorker::Report report = worker.report();
  json done = json::array();
  for (const Chunk& chunk : report.done) done.push_back(to_json(chunk, worker.uuid()));
  return write_json(json{{"waiting", report.waiting}, {"decoded", report.decoded}, {"done", done}});
}

}  // namespace

std::optional<BuildReport> build_dataset_on_ranks(const ImageSource& source,
                                                  const BuildOptions& options, BuildRanks& ranks,
                                                  const std::string& writer) {
  std::unique_ptr<RankZeroBuilder> builder;
  if (ranks.rank() == 0) builder = std::make_unique<RankZeroBuilder>(source, options, ranks.size());
  auto worker = std::make_unique<ChunkWorker>(source, options, writer);
  while (true) {
    const std::vector<std::string> reports = ranks.gather(report_of(*worker));
    const json orders = parse_json(
        ranks.broadcast(builder ? builder->orders(reports, worker->uuid()) : ""), "the orders");
    if (orders.at("is_done").get<bool>()) break;
    worker->assign(orders.at("chunks").at(static_cast<std::size_t>(ranks.rank())));
    std::this_thread::sleep_for(std::chrono::milliseconds(orders.at("pause").get<int>()));
  }
  // After the last worker: chunks that --max-images left out.
  worker.reset();
  static_cast<void>(ranks.gather(""));
  if (!builder) return std::nullopt;
  BuildReport report = builder->take_report();
  remove_leftovers(options.destination, report.shards);
  return report;
}

}  // namespace valley
