#include "inference/uai_file.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <set>
#include <string_view>
#include <system_error>

#include "core/error.h"
#include "core/read_file.h"
#include "core/text.h"

namespace valley {
namespace {

constexpr std::size_t kMaxVariables = 10'000'000;
constexpr std::size_t kMaxValues = std::size_t{1} << 27U;  // of all factors together: 1 GiB
constexpr std::string_view kBlank = " \t\r\n\f\v";

// Words of a text, one after another.
class Words {
 public:
  Words(std::string name, std::string text) : name_(std::move(name)), text_(std::move(text)) {}

  [[nodiscard]] bool is_at_end() {
    skip_blanks();
    return at_ == text_.size();
  }

  // `what`: for the message if the text has ended.
  std::string_view next(const std::string& what) {
    skip_blanks();
    if (at_ == text_.size()) fail("the file ends before " + what);
    const std::size_t end = std::min(text_.find_first_of(kBlank, at_), text_.size());
    const std::string_view word = std::string_view(text_).substr(at_, end - at_);
    at_ = end;
    return word;
  }

  std::size_t number(const std::string& what, std::size_t max) {
    const std::string_view word = next(what);
    std::size_t value = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || stop != word.data() + word.size() || value > max)
      fail(fmt::format("{} is {}, which is not an integer from 0 to {}", what, shown(word), max));
    return value;
  }

  double potential(const std::string& what) {
    const std::string_view word = next(what);
    double value = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    // Values below the range of doubles are 0.
    const bool is_tiny =
        error == std::errc::result_out_of_range && word.find("e-") != std::string_view::npos;
    const bool is_number = (error == std::errc() || is_tiny) && stop == word.data() + word.size();
    if (is_tiny) value = 0;
    if (!is_number || !std::isfinite(value) || value < 0)
      fail(fmt::format("{} is {}, which is not a finite number of at least 0", what, shown(word)));
    return value;
  }

  [[noreturn]] void fail(const std::string& what) const {
    std::size_t line = 1;
    for (std::size_t i = 0; i < at_; ++i) line += text_[i] == '\n' ? 1 : 0;
    throw Error(ExitCode::kData, "{}:{}: {}", name_, line, what);
  }

 private:
  void skip_blanks() { at_ = std::min(text_.find_first_not_of(kBlank, at_), text_.size()); }
  static std::string shown(std::string_view word) {
    return fmt::format("\"{}\"", printable_line(std::string(word.substr(0, 40))));
  }

  std::string name_;
  std::string text_;
  std::size_t at_ = 0;
};

Words words_of(const std::filesystem::path& file) {
  return {file.string(), read_file(file, {.takes_pipes = true})};
}

std::vector<std::size_t> read_scope(Words& words, std::size_t factor, std::size_t variables) {
  std::vector<std::size_t> scope;
  const std::size_t count =
      words.number(fmt::format("the number of variables of factor {}", factor), variables);
  for (std::size_t i = 0; i < count; ++i)
    scope.push_back(words.number(fmt::format("a variable of factor {}", factor), variables - 1));
  if (std::set<std::size_t>(scope.begin(), scope.end()).size() != count)
    words.fail(fmt::format("factor {} has a variable twice", factor));
  return scope;
}

}  // namespace

FactorGraph read_uai(const std::filesystem::path& file) {
  Words words = words_of(file);
  const std::string_view kind = words.next("its first word");
  if (kind != "MARKOV" && kind != "BAYES")
    words.fail("the first word is neither MARKOV nor BAYES: this is not a model in the UAI format");

  FactorGraph graph;
  const std::size_t variables = words.number("the number of variables", kMaxVariables);
  for (std::size_t v = 0; v < variables; ++v) {
    graph.states.push_back(
        words.number(fmt::format("the number of states of variable {}", v), kMaxValues));
    if (graph.states.back() == 0) words.fail(fmt::format("variable {} has no state", v));
  }
  const std::size_t factors = words.number("the number of factors", kMaxVariables);
  std::size_t all_values = 0;
  std::vector<std::size_t> sizes;
  for (std::size_t f = 0; f < factors; ++f) {
    graph.factors.push_back({read_scope(words, f, variables), {}});
    std::size_t size = 1;
    for (const std::size_t variable : graph.factors[f].scope)
      size = std::min(kMaxValues + 1, size * graph.states[variable]);
    sizes.push_back(size);
    all_values += size;
    if (all_values > kMaxValues)
      words.fail(fmt::format("the factors have more than {} values", kMaxValues));
  }
  for (std::size_t f = 0; f < factors; ++f) {
    Table& factor = graph.factors[f];
    const std::size_t count =
        words.number(fmt::format("the number of values of factor {}", f), kMaxValues);
    if (count != sizes[f])
      words.fail(fmt::format("factor {} has {} values, but its variables have {} joint states", f,
                             count, sizes[f]));
    const std::string what = fmt::format("a value of factor {}", f);
    factor.values.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
      factor.values.push_back(std::log(words.potential(what)));
  }
  if (!words.is_at_end()) {
    static_cast<void>(words.next(""));
    words.fail("the file continues after the last factor");
  }
  return graph;
}

Evidence read_evidence(const std::filesystem::path& file, const FactorGraph& graph) {
  Words words = words_of(file);
  std::vector<std::size_t> numbers;
  while (!words.is_at_end()) numbers.push_back(words.number("a number", kMaxVariables));
  // The number of samples makes the count of numbers even.
  if (!numbers.empty() && numbers.size() % 2 == 0) {
    if (numbers[0] != 1)
      words.fail(fmt::format("it has {} samples of evidence; name a file with one", numbers[0]));
    numbers.erase(numbers.begin());
  }
  if (numbers.empty()) return {};
  if (numbers.size() != 1 + 2 * numbers[0])
    words.fail(fmt::format("it should hold {} pairs of a variable and its state, and holds {}",
                           numbers[0], (numbers.size() - 1) / 2));
  Evidence evidence;
  std::set<std::size_t> seen;
  for (std::size_t i = 1; i < numbers.size(); i += 2) {
    const std::size_t variable = numbers[i];
    if (variable >= graph.states.size())
      words.fail(
          fmt::format("there is no variable {}: the model has {}", variable, graph.states.size()));
    if (numbers[i + 1] >= graph.states[variable])
      words.fail(fmt::format("variable {} has no state {}: it has {}", variable, numbers[i + 1],
                             graph.states[variable]));
    if (!seen.insert(variable).second)
      words.fail(fmt::format("variable {} is observed twice", variable));
    evidence.emplace_back(variable, numbers[i + 1]);
  }
  return evidence;
}

std::string to_mpe(const std::vector<std::size_t>& values) {
  std::string text = fmt::format("MPE\n{}", values.size());
  for (const std::size_t value : values) text += fmt::format(" {}", value);
  return text + "\n";
}

std::string to_mar(const std::vector<std::vector<double>>& marginals) {
  std::string text = fmt::format("MAR\n{}", marginals.size());
  for (const std::vector<double>& marginal : marginals) {
    text += fmt::format(" {}", marginal.size());
    for (const double p : marginal) text += fmt::format(" {}", p);
  }
  return text + "\n";
}

}  // namespace valley
