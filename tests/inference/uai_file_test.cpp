#include "inference/uai_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "support/put_file.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

// The example of the format's description, with other numbers.
constexpr const char* kModel =
    "MARKOV\n3\n2 2 3\n2\n2 0 1\n2 1 2\n\n4\n 1.0 2.0\n 3.0 4.0\n\n6\n 0.5 0 1e-3\n 1 1e0 1e-400\n";

FactorGraph parsed(const std::string& text) {
  const TemporaryFolder folder;
  put_file(folder / "m.uai", text);
  return read_uai(folder / "m.uai");
}

std::string error_of(const std::string& text) {
  try {
    static_cast<void>(parsed(text));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData) << error.what();
    const std::string message = error.what();
    return message.substr(message.find("m.uai") + 5);
  }
  return "accepted";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST(UaiFile, ReadsAModel) {
  const FactorGraph graph = parsed(kModel);
  EXPECT_EQ(graph.states, (std::vector<std::size_t>{2, 2, 3}));
  ASSERT_EQ(graph.factors.size(), 2U);
  EXPECT_EQ(graph.factors[1].scope, (std::vector<std::size_t>{1, 2}));
  EXPECT_DOUBLE_EQ(log_value(graph, {1, 0, 2}), std::log(3.0) + std::log(1e-3));
  EXPECT_EQ(log_value(graph, {0, 0, 1}), kMinusInfinity);
  EXPECT_EQ(log_value(graph, {0, 1, 2}), kMinusInfinity);  // 1e-400 is 0
}

TEST(UaiFile, AcceptsAnySpacesAndFactorsWithoutVariables) {
  const FactorGraph graph = parsed("BAYES 1 2\r\n2 0 1 0\t1 3.5 2 0.25 0.75");
  EXPECT_DOUBLE_EQ(log_value(graph, {1}), std::log(3.5) + std::log(0.75));
}

TEST(UaiFile, ErrorsNameTheLine) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", ":1: the file ends before its first word"},
      {"PNG", ":1: the first word is neither"},
      {replaced(kModel, "2 2 3", "2 0 3"), ":3: variable 1 has no state"},
      {replaced(kModel, "2 2 3", "2 x 3"), ":3: the number of states of variable 1 is \"x\""},
      {replaced(kModel, "2 1 2", "2 1 3"),
       ":6: a variable of factor 1 is \"3\", which is not an "
       "integer from 0 to 2"},
      {replaced(kModel, "2 1 2", "2 1 1"), ":6: factor 1 has a variable twice"},
      {replaced(kModel, "2 1 2", "-2 1 2"), ":6: the number of variables of factor 1 is \"-2\""},
      {replaced(kModel, "\n6\n", "\n5\n"), ":12: factor 1 has 5 values, but its variables have 6"},
      {replaced(kModel, "0.5", "-0.5"), ":13: a value of factor 1 is \"-0.5\""},
      {replaced(kModel, "0.5", "nan"), ":13: a value of factor 1 is \"nan\""},
      {replaced(kModel, "0.5", "1e999"), ":13: a value of factor 1 is \"1e999\""},
      {replaced(kModel, " 1e0 1e-400\n", "\n"), ":15: the file ends before a value of factor 1"},
      {kModel + std::string("7"), ":15: the file continues after the last factor"},
      {"MARKOV 2 99999 99999 1 2 0 1", ":1: the factors have more than 134217728 values"},
      {"MARKOV 99999999999999999999", ":1: the number of variables is"},
  };
  for (const auto& [text, expected] : cases) {
    const std::string message = error_of(text);
    EXPECT_EQ(message.substr(0, expected.size()), expected) << message;
  }
}

TEST(UaiFile, ReadsEvidenceOfBothFormats) {
  const FactorGraph graph = parsed(kModel);
  const TemporaryFolder folder;
  const auto evidence = [&](const std::string& text) {
    put_file(folder / "e", text);
    return read_evidence(folder / "e", graph);
  };
  const Evidence expected{{2, 1}, {0, 0}};
  EXPECT_EQ(evidence("2 2 1 0 0\n"), expected);
  EXPECT_EQ(evidence("1\n2 2 1 0 0\n"), expected);
  EXPECT_EQ(evidence("0"), Evidence{});
  EXPECT_EQ(evidence("1 0"), Evidence{});
  EXPECT_EQ(evidence(""), Evidence{});
  for (const char* wrong : {"1 3 0", "1 2 3", "2 0 0 0 1", "2 0 0", "2 1 0 0 1 1 0", "1 x 0"})
    EXPECT_THROW(static_cast<void>(evidence(wrong)), Error) << wrong;
}

TEST(UaiFile, WritesSolutions) {
  EXPECT_EQ(to_mpe({1, 0, 2}), "MPE\n3 1 0 2\n");
  EXPECT_EQ(to_mar({{0.25, 0.75}, {1}}), "MAR\n2 2 0.25 0.75 1 1\n");
}

}  // namespace
}  // namespace valley
