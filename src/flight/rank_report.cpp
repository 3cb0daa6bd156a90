#include "flight/rank_report.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "core/json_text.h"

namespace valley {
namespace {

using Json = nlohmann::json;

Json call_json(const RecordedCollective& c) {
  return {{"channel", c.channel},
          {"number", c.number},
          {"kind", static_cast<int>(c.call.kind)},
          {"type", c.call.type},
          {"elements", c.call.elements},
          {"bytes", c.call.bytes},
          {"detail", c.call.detail},
          {"phase", c.phase},
          {"step", c.step},
          {"inside", c.left_s == 0}};
}

RecordedCollective call_from(const Json& json) {
  RecordedCollective c;
  c.channel = json.at("channel").get<int>();
  c.number = json.at("number").get<std::int64_t>();
  const int kind = json.at("kind").get<int>();
  if (kind < 0 || kind > static_cast<int>(CollectiveKind::kBarrier))
    throw std::out_of_range("kind");
  c.call.kind = static_cast<CollectiveKind>(kind);
  c.call.type = json.at("type").get<std::string>();
  c.call.elements = json.at("elements").get<std::int64_t>();
  c.call.bytes = json.at("bytes").get<std::int64_t>();
  c.call.detail = json.at("detail").get<int>();
  c.phase = keep_text(json.at("phase").get<std::string>());
  c.step = json.at("step").get<std::int64_t>();
  c.left_s = json.at("inside").get<bool>() ? 0 : 1;
  return c;
}

std::string this_host() {
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0) return "unknown";
  return name;
}

// The state in a file "stat" of /proc, "123 (name) S ...": the name may hold parentheses.
std::optional<char> state_in(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  const std::size_t end = line.rfind(')');
  if (end == std::string::npos || end + 2 >= line.size()) return std::nullopt;
  return line[end + 2];
}

}  // namespace

const std::string& this_machine() {
  static const std::string machine = [] {
    std::string text = this_host();
    for (const char* space : {"/proc/self/ns/net", "/proc/self/ns/pid"}) {
      std::error_code error;
      text += " " + std::filesystem::read_symlink(space, error).string();
    }
    return text;
  }();
  return machine;
}

RankReport make_rank_report(int rank, const FlightRecorder& recorder) {
  RankReport report;
  report.rank = rank;
  report.host = this_host();
  report.machine = this_machine();
  report.pid = getpid();
  report.state = recorder.state();
  report.collectives = recorder.entered_collectives(kReportedCollectives);
  const double now = monotonic_seconds();
  report.activity_s = report.state.activity_s > 0 ? now - report.state.activity_s : 0;
  return report;
}

std::string to_json_line(const RankReport& r) {
  Json calls = Json::array();
  for (const RecordedCollective& c : r.collectives) calls.push_back(call_json(c));
  Json channels = Json::array();
  for (const ChannelPosition& p : r.state.channels)
    channels.push_back({p.called, p.entered, p.left});
  return write_json(Json({{"rank", r.rank},
                          {"host", r.host},
                          {"machine", r.machine},
                          {"pid", r.pid},
                          {"step", r.state.step},
                          {"phase", r.state.phase},
                          {"activity", static_cast<int>(r.state.activity)},
                          {"activity_s", r.activity_s},
                          {"progress", r.state.progress},
                          {"channels", channels},
                          {"calls", calls}}));
}

std::optional<RankReport> parse_rank_report(const std::string& line) {
  const Json json = try_parse_json(line);
  if (!json.is_object()) return std::nullopt;
  try {
    RankReport r;
    r.rank = json.at("rank").get<int>();
    r.host = json.at("host").get<std::string>();
    r.machine = json.at("machine").get<std::string>();
    r.pid = json.at("pid").get<std::int64_t>();
    r.state.step = json.at("step").get<std::int64_t>();
    r.state.phase = keep_text(json.at("phase").get<std::string>());
    const int activity = json.at("activity").get<int>();
    if (activity < 0 || activity > static_cast<int>(Activity::kEnd)) return std::nullopt;
    r.state.activity = static_cast<Activity>(activity);
    r.activity_s = json.at("activity_s").get<double>();
    r.state.progress = json.at("progress").get<std::uint64_t>();
    const Json& channels = json.at("channels");
    if (!channels.is_array() || channels.size() != r.state.channels.size()) return std::nullopt;
    for (std::size_t i = 0; i < channels.size(); ++i) {
      r.state.channels[i].called = channels[i].at(0).get<std::int64_t>();
      r.state.channels[i].entered = channels[i].at(1).get<std::int64_t>();
      r.state.channels[i].left = channels[i].at(2).get<std::int64_t>();
    }
    for (const Json& call : json.at("calls")) r.collectives.push_back(call_from(call));
    return r;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  } catch (const std::out_of_range&) {
    return std::nullopt;
  }
}

std::optional<char> process_state(std::int64_t pid) {
  return state_in("/proc/" + std::to_string(pid) + "/stat");
}

std::optional<char> thread_state(std::int64_t thread) {
  return state_in("/proc/self/task/" + std::to_string(thread) + "/stat");
}

}  // namespace valley
