#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "app/commands.h"
#include "app/options.h"
#include "app/print_result.h"
#include "comm/world.h"
#include "core/json_text.h"
#include "core/terminal.h"
#include "core/text.h"
#include "doctor/doctor.h"
#include "doctor/flight.h"

namespace valley::app {
namespace {

constexpr const char* kDoctorHelp =
    "Check this host, or the hosts of a job, for problems that would stop a run;\n"
    "or explain why a run hung.\n"
    "The exit code is 0 without such problems, else the one that a run would end with.\n\n"
    "Examples:\n"
    "  valley doctor                                          this host, runs in runs/\n"
    "  valley doctor --data data/emoji-64 --out /scratch/runs a data set and another folder\n"
    "  mpirun -n 16 --hostfile hosts valley doctor            the hosts of a job and their "
    "network\n"
    "  srun --mpi=pmix --nodes=2 --ntasks-per-node=8 valley doctor --json\n"
    "  valley doctor --flight runs/00007-began-64             which rank held up the others";

struct DoctorArguments {
  doctor::DoctorRequest request;
  std::filesystem::path flight;
  bool json = false;
  bool probe = false;
};

// Plain text under a launcher: mpirun gives its ranks a terminal even if their output goes to a
// file.
doctor::TextStyle stdout_style() {
  if (::isatty(STDOUT_FILENO) != 1 || launch_info().launched) return {};
  const bool is_colored = std::getenv("NO_COLOR") == nullptr && is_capable_terminal(STDOUT_FILENO);
  doctor::TextStyle style{is_colored, kTerminalWidth};
  ::winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    style.width = std::min<std::size_t>(size.ws_col, kTerminalWidth);
  return style;
}

void run_doctor(const DoctorArguments& a) {
  if (a.probe) {
    doctor::answer_probe();
    return;
  }
  if (!a.flight.empty()) {
    const doctor::FlightExplanation explanation = doctor::explain_flight(a.flight);
    print_result(
        a.json, [&] { return to_json(explanation); }, [&] { return to_text(explanation); });
    return;
  }
  const ExitCode code = doctor::examine(a.request, [&a](const doctor::Report& report) {
    if (a.json) {
      print_json_text(to_json(report));
    } else {
      // Not print_result, which would escape the colors; the rest of the text is printable.
      fmt::print("{}", to_text(report, stdout_style()));
    }
    std::fflush(stdout);
  });
  if (code != ExitCode::kDone) throw CLI::RuntimeError(static_cast<int>(code));
}

}  // namespace

void add_doctor_command(CLI::App& app) {
  auto a = std::make_shared<DoctorArguments>();
  CLI::App* command = app.add_subcommand("doctor", kDoctorHelp);
  command->add_option("--data", a->request.data, "Data set to check as well")->type_name("DIR");
  command->add_option("--out", a->request.out, "Folder of the runs")
      ->type_name("DIR")
      ->capture_default_str();
  command
      ->add_option("--ranks", a->request.ranks,
                   "Number of ranks to launch; default: one per GPU, two without GPUs")
      ->transform(number_range<int>(1, 1 << 16))
      ->type_name("N");
  command->add_flag("--quick", a->request.quick,
                    "This host without starting ranks or measuring speeds: two seconds");
  CLI::Option* flight =
      command
          ->add_option("--flight", a->flight,
                       "Explain the record of this run, which hung or lost a rank")
          ->type_name("RUN");
  for (const char* other : {"--data", "--out", "--ranks", "--quick"}) flight->excludes(other);
  add_json_option(*command, a->json);
  command->add_flag("--probe-ranks", a->probe)->group("");
  command->callback([a] { run_doctor(*a); });
}

}  // namespace valley::app
