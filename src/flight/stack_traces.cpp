#include "flight/stack_traces.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <execinfo.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <thread>

#include "core/numbers.h"
#include "flight/rank_report.h"

namespace valley {
namespace {

constexpr int kMaxFrames = 64;
constexpr int kHandlerFrames = 2;  // the handler and the return from the signal

struct Capture {
  std::atomic<long> thread{0};  // that is to answer; 0: nobody
  std::atomic<bool> done{false};
  int frames = 0;
  std::array<void*, kMaxFrames> addresses{};
};
Capture capture;

int trace_signal() { return SIGRTMIN + 6; }

void capture_stack(int /*signal*/) {
  const int before = errno;
  if (capture.thread.load() == static_cast<long>(syscall(SYS_gettid))) {
    capture.frames = backtrace(capture.addresses.data(), kMaxFrames);
    capture.done.store(true);
  }
  errno = before;
}

// Names of functions of an ELF file, also of those that are not exported.
class Symbols {
 public:
  explicit Symbols(const std::string& file) {
    const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (descriptor >= 0 && fstat(descriptor, &status) == 0 && status.st_size > 0) {
      size_ = static_cast<std::size_t>(status.st_size);
      void* const mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
      if (mapped != MAP_FAILED) data_ = static_cast<const char*>(mapped);
    }
    if (descriptor >= 0) close(descriptor);
    if (data_ != nullptr) read();
  }
  ~Symbols() {
    if (data_ != nullptr) munmap(const_cast<char*>(data_), size_);
  }
  Symbols(const Symbols&) = delete;
  Symbols& operator=(const Symbols&) = delete;

  // The function that holds `offset` from the load address; "" if there is none.
  [[nodiscard]] std::string find(std::uint64_t offset) const {
    auto at = functions_.upper_bound(offset);
    if (at == functions_.begin()) return "";
    --at;
    return offset < at->first + at->second.size ? at->second.name : "";
  }

 private:
  struct Function {
    std::uint64_t size;
    const char* name;
  };

  template <typename T>
  [[nodiscard]] const T* at(std::uint64_t offset, std::uint64_t count = 1) const {
    if (offset > size_ || count > (size_ - offset) / sizeof(T)) return nullptr;
    return reinterpret_cast<const T*>(data_ + offset);
  }

  void read() {
    const auto* header = at<Elf64_Ehdr>(0);
    if (header == nullptr || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_ident[EI_CLASS] != ELFCLASS64)
      return;
    const auto* sections = at<Elf64_Shdr>(header->e_shoff, header->e_shnum);
    if (sections == nullptr) return;
    for (std::size_t i = 0; i < header->e_shnum; ++i) {
      const Elf64_Shdr& table = sections[i];
      if (table.sh_type != SHT_SYMTAB && table.sh_type != SHT_DYNSYM) continue;
      if (table.sh_link >= header->e_shnum) continue;
      const Elf64_Shdr& names = sections[table.sh_link];
      const std::uint64_t count = table.sh_size / sizeof(Elf64_Sym);
      const auto* symbols = at<Elf64_Sym>(table.sh_offset, count);
      const char* text = at<char>(names.sh_offset, names.sh_size);
      // The last byte ends the last name.
      if (symbols == nullptr || text == nullptr || names.sh_size == 0 ||
          text[names.sh_size - 1] != '\0')
        continue;
      for (std::uint64_t s = 0; s < count; ++s)
        if (ELF64_ST_TYPE(symbols[s].st_info) == STT_FUNC && symbols[s].st_size > 0 &&
            symbols[s].st_name < names.sh_size)
          functions_[symbols[s].st_value] = {symbols[s].st_size, text + symbols[s].st_name};
    }
  }

  const char* data_ = nullptr;
  std::size_t size_ = 0;
  std::map<std::uint64_t, Function> functions_;
};

std::string demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), std::free);
  return status == 0 && text ? text.get() : name;
}

class FrameNames {
 public:
  [[nodiscard]] std::string name(void* address) {
    Dl_info info{};
    if (dladdr(address, &info) == 0 || info.dli_fname == nullptr)
      return fmt::format("{:#x}", reinterpret_cast<std::uintptr_t>(address));
    std::string file = info.dli_fname;
    const bool is_program = std::filesystem::path(file).filename() == program_.filename();
    if (is_program) file = program_.string();
    const auto base = reinterpret_cast<std::uintptr_t>(info.dli_fbase);
    // Return addresses point behind the call.
    const std::uint64_t offset = reinterpret_cast<std::uintptr_t>(address) - base - 1;
    auto& symbols = symbols_[file];
    if (!symbols) symbols = std::make_unique<Symbols>(file);
    const std::string found = symbols->find(offset);
    const std::string short_file = std::filesystem::path(file).filename().string();
    if (found.empty()) return fmt::format("{}+{:#x}", short_file, offset);
    return fmt::format("{} ({}+{:#x})", demangled(found), short_file, offset);
  }

 private:
  std::filesystem::path program_ = std::filesystem::read_symlink("/proc/self/exe");
  std::map<std::string, std::unique_ptr<Symbols>> symbols_;
};

std::string first_line_of(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

bool wait_for_capture() {
  constexpr auto kPatience = std::chrono::milliseconds(1000);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!capture.done.load()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

}  // namespace

void prepare_stack_traces() {
  // The first call of backtrace loads a library, which a signal handler must not do.
  std::array<void*, 2> first{};
  static_cast<void>(backtrace(first.data(), static_cast<int>(first.size())));
  struct sigaction action {};
  action.sa_handler = capture_stack;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(trace_signal(), &action, nullptr);
}

std::vector<ThreadTrace> stack_traces() {
  std::vector<ThreadTrace> traces;
  FrameNames names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", error)) {
    const auto thread = parse_number<long>(entry.path().filename().string());
    if (!thread) continue;
    ThreadTrace trace;
    trace.thread = *thread;
    trace.name = first_line_of(entry.path().string() + "/comm");
    trace.state = thread_state(*thread).value_or('?');
    capture.done.store(false);
    capture.thread.store(*thread);
    if (syscall(SYS_tgkill, getpid(), *thread, trace_signal()) == 0 && wait_for_capture()) {
      for (int i = kHandlerFrames; i < capture.frames; ++i)
        trace.frames.push_back(names.name(capture.addresses[static_cast<std::size_t>(i)]));
    }
    capture.thread.store(0);
    traces.push_back(std::move(trace));
  }
  return traces;
}

}  // namespace valley
