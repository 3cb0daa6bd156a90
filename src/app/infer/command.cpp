#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "app/commands.h"
#include "app/infer/solve.h"
#include "app/options.h"
#include "app/print_result.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "inference/uai_file.h"

namespace valley::app {
namespace {

constexpr const char* kInferHelp =
    "Find the best assignment of a factor graph in the UAI format, and its marginals and log Z.\n\n"
    "Exact by variable elimination if the graph is narrow, else by messages in loops, which "
    "is reported.\n\n"
    "Examples:\n"
    "  valley infer grid.uai                                 assignment of the lowest energy\n"
    "  valley infer grid.uai --evidence grid.uai.evid --json\n"
    "  valley infer grid.uai --marginals -o grid.MAR         probabilities of each variable";

struct InferArguments {
  std::filesystem::path model;
  std::filesystem::path evidence;
  std::filesystem::path out;
  InferRequest request;
  bool json = false;
};

bool is_marginals_file(const std::filesystem::path& file) { return file.extension() == ".MAR"; }

void check_output(const InferArguments& a) {
  if (a.out.empty()) return;
  const std::string extension = a.out.extension();
  if (extension != ".MPE" && extension != ".MAR")
    throw Error(ExitCode::kUsage,
                "-o {}: name a file with the extension .MPE (assignment) or .MAR (marginals)",
                a.out.string());
  if (is_marginals_file(a.out) && !a.request.wants_marginals)
    throw Error(ExitCode::kUsage, "-o {} holds marginals: add --marginals", a.out.string());
  require_writable(a.out);
}

void run_infer(const InferArguments& a) {
  check_output(a);
  const FactorGraph graph = read_uai(a.model);
  const Evidence evidence = a.evidence.empty() ? Evidence{} : read_evidence(a.evidence, graph);
  Inference result = infer(graph, evidence, a.request, a.model.string());
  if (!a.out.empty())
    write_file(a.out, is_marginals_file(a.out) ? to_mar(result.sums->marginals)
                                               : to_mpe(result.best.values));
  print_result(
      a.json, [&] { return to_json(result); }, [&] { return to_table(result); });
}

}  // namespace

void add_infer_command(CLI::App& app) {
  auto a = std::make_shared<InferArguments>();
  CLI::App* command = app.add_subcommand("infer", kInferHelp);
  command->add_option("model", a->model, "Factor graph in the UAI format")
      ->type_name("MODEL.uai")
      ->required();
  command->add_option("--evidence", a->evidence, "Observed variables, in the UAI format")
      ->type_name("FILE");
  command->add_flag("--marginals", a->request.wants_marginals,
                    "Also the probabilities of each variable's states, and log Z");
  command
      ->add_option("--max-states", a->request.max_states,
                   "Variable elimination may fill tables of N values together; each takes 8 bytes")
      ->transform(number_range<std::uint64_t>(1, std::uint64_t{1} << 40U))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--rounds", a->request.loopy.max_rounds, "Most rounds of messages in loops")
      ->transform(number_range<std::int64_t>(1))
      ->type_name("N")
      ->capture_default_str();
  command
      ->add_option("--damping", a->request.loopy.damping,
                   "Weight of the previous message in loops, below 1")
      ->transform(number_range<double>(0, 0.999))
      ->type_name("D")
      ->capture_default_str();
  command->add_option("-o,--out", a->out, "Write a solution file of the UAI format")
      ->type_name("FILE.MPE|FILE.MAR");
  add_json_option(*command, a->json);
  command->callback([a] { run_infer(*a); });
}

}  // namespace valley::app
