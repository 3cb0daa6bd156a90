#include <gtest/gtest.h>

#include <limits>

#include "config_fixture.h"
#include "core/atomic_file.h"
#include "core/config.h"
#include "core/hash.h"
#include "helpers.h"

namespace valley {
namespace {

using List = std::vector<std::int64_t>;

TEST(Load, SectionsAndDottedKeysAndInlineTablesAreTheSame) {
  for (const char* text :
       {"[train]\nsteps = 5\nreproducible = true\n", "train.steps = 5\ntrain.reproducible = true\n",
        "train = { steps = 5, reproducible = true }\n"}) {
    TestConfig config;
    config.load(text);
    EXPECT_EQ(config.steps, 5) << text;
    EXPECT_TRUE(config.reproducible) << text;
  }
}

TEST(Load, EveryType) {
  TestConfig config;
  config.load(
      "data.path = 'a\\b'\nmodel.name = \"began\"\nmodel.hidden = [500,\n 200, # top\n]\n"
      "train.steps = 1_000_000\ntrain.microbatch = 0x10\ntrain.reproducible = true\n"
      "objective.gamma = 1\noptimizer.rate = 1e-3\n");
  EXPECT_EQ(config.path, "a\\b");
  EXPECT_EQ(config.name, "began");
  EXPECT_EQ(config.hidden, (List{500, 200}));
  EXPECT_EQ(config.steps, 1000000);
  EXPECT_EQ(config.microbatch, AutoInt{16});
  EXPECT_TRUE(config.reproducible);
  EXPECT_EQ(config.gamma, 1.0);  // an integer is a number
  EXPECT_EQ(config.rate, 1e-3);
}

TEST(Load, AnEmptyFileKeepsTheDefaults) {
  TestConfig config;
  config.load("");
  EXPECT_EQ(config.steps, 1000);
  EXPECT_EQ(config.microbatch, std::nullopt);
  EXPECT_FALSE(config.schema.was_given("train.steps"));
  EXPECT_EQ(config.schema.place("train.steps"), "default");
}

TEST(Load, ANumberMayBeAuto) {
  AutoDouble margin = 3.0;
  Schema schema;
  schema.key("objective.margin", &margin).above(0).help("Of the hinge.");
  EXPECT_EQ(schema.keys().front().type(), "number or \"auto\"");
  schema.load_text("objective.margin = 20", "run.toml", {});
  EXPECT_EQ(margin, AutoDouble{20.0});
  EXPECT_EQ(schema.values().at("objective.margin"), "20.0");
  schema.load_text("objective.margin = \"auto\"", "run.toml", {});
  EXPECT_EQ(margin, std::nullopt);
  EXPECT_EQ(schema.values().at("objective.margin"), "\"auto\"");
  EXPECT_THROW(schema.load_text("objective.margin = 0", "run.toml", {}), Error);
  EXPECT_THROW(schema.load_text("objective.margin = \"car\"", "run.toml", {}), Error);
}

TEST(Load, AutoResetsAnInteger) {
  TestConfig config;
  config.load("train.microbatch = 4", {"train.microbatch=auto"});
  EXPECT_EQ(config.microbatch, std::nullopt);
  EXPECT_TRUE(config.schema.was_given("train.microbatch"));
}

TEST(Load, RecordsTheOriginOfValues) {
  TestConfig config;
  config.load("\n[train]\nsteps = 5\nreproducible = true\n", {"train.reproducible=false"});
  EXPECT_EQ(config.schema.place("train.steps"), "run.toml:3");
  EXPECT_EQ(config.schema.place("train.reproducible"), "command line");
  EXPECT_EQ(config.schema.place("model.name"), "default");
  EXPECT_TRUE(config.schema.was_given("train.steps"));
  EXPECT_FALSE(config.schema.was_given("model.name"));
}

TEST(Load, ReadsAFile) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "experiment.toml";
  write_file(path, "\xEF\xBB\xBF[train]\r\nsteps = 7\r\n");  // as written by Windows editors
  TestConfig config;
  config.schema.load(path, {});
  EXPECT_EQ(config.steps, 7);
  EXPECT_EQ(config.schema.place("train.steps"), path.string() + ":2");
}

TEST(Load, AMissingFileIsNamed) {
  TestConfig config;
  const Error error = error_of([&] { config.schema.load("nowhere/experiment.toml", {}); });
  EXPECT_EQ(error.code(), ExitCode::kMissingInput);
  EXPECT_TRUE(contains(error.what(), "nowhere/experiment.toml")) << error.what();
}

TEST(Load, ASyntaxErrorHasLineColumnAndReason) {
  const std::string message = load_error("[train]\nsteps = = 5\n");
  EXPECT_TRUE(message.starts_with("run.toml:2:9: ")) << message;
  EXPECT_GT(message.size(), std::string("run.toml:2:9: ").size() + 10);
  EXPECT_TRUE(load_error("[train\n").starts_with("run.toml:1:")) << load_error("[train\n");
}

TEST(Load, RepeatedKeyIsRejectedWithItsLine) {
  const std::string twice = load_error("train.steps = 1\ntrain.steps = 2\n");
  EXPECT_TRUE(twice.starts_with("run.toml:2:")) << twice;
  EXPECT_TRUE(contains(twice, "steps")) << twice;
  EXPECT_TRUE(load_error("train.steps = 1\n[train]\nsteps = 2\n").starts_with("run.toml:2:"));
}

TEST(Load, AWrongTypeNamesPlaceKeyExpectedAndFound) {
  EXPECT_EQ(load_error("\n[train]\nsteps = \"abc\"\n"),
            "run.toml:3: train.steps takes an integer >= 1, <= 1000000000, not the string \"abc\"");
  EXPECT_EQ(load_error("train.reproducible = 1"),
            "run.toml:1: train.reproducible takes true or false, not the integer 1");
  EXPECT_EQ(load_error("objective.gamma = true"),
            "run.toml:1: objective.gamma takes a number > 0, <= 1, not true");
  EXPECT_EQ(load_error("data.path = 5"), "run.toml:1: data.path takes a string, not the integer 5");
  EXPECT_EQ(load_error("data.path = ['a']"),
            "run.toml:1: data.path takes a string, not the list [ 'a' ]");
  EXPECT_EQ(load_error("data.path = 2024-02-29"),
            "run.toml:1: data.path takes a string, not the date or time 2024-02-29");
  EXPECT_EQ(load_error("[train.steps]\n"),
            "run.toml:1: train.steps takes an integer >= 1, <= 1000000000, not a table");
  EXPECT_EQ(load_error("train.microbatch = 'Auto'"),
            "run.toml:1: train.microbatch takes an integer >= 1 or \"auto\", not the string "
            "\"Auto\"");
}

TEST(Load, FloatForAnIntegerIsRejectedWithASuggestion) {
  EXPECT_EQ(load_error("train.steps = 100.0"),
            "run.toml:1: train.steps takes an integer >= 1, <= 1000000000, not the number 100.0; "
            "write 100");
  EXPECT_EQ(load_error("train.steps = 1e6"),
            "run.toml:1: train.steps takes an integer >= 1, <= 1000000000, not the number "
            "1000000.0; write 1000000");
  EXPECT_FALSE(contains(load_error("train.steps = 1.5"), "write"));
  EXPECT_FALSE(contains(load_error("train.steps = 1e300"), "write"));
  EXPECT_FALSE(contains(load_error("train.steps = inf"), "write"));
}

TEST(Load, LimitsAreNamed) {
  EXPECT_EQ(load_error("train.steps = 0"),
            "run.toml:1: train.steps takes an integer >= 1, <= 1000000000, not the integer 0");
  EXPECT_EQ(load_error("objective.gamma = 0"),
            "run.toml:1: objective.gamma takes a number > 0, <= 1, not the integer 0");
  EXPECT_EQ(load_error("objective.gamma = 1.5"),
            "run.toml:1: objective.gamma takes a number > 0, <= 1, not the number 1.5");
  EXPECT_EQ(load_error("optimizer.rate = nan"),
            "run.toml:1: optimizer.rate takes a number >= 0, not the number nan");
  EXPECT_EQ(load_error("train.microbatch = -1"),
            "run.toml:1: train.microbatch takes an integer >= 1 or \"auto\", not the integer -1");
  EXPECT_TRUE(contains(load_error("train.steps = 9223372036854775808"), "run.toml:1:"));
}

TEST(Load, ListsOfStringsTakeOneStringToo) {
  std::vector<std::string> names;
  Schema schema;
  schema.key("a.names", &names);
  schema.load_text("[a]\nnames = ['x', \"y.0-2\"]", "run.toml", {});
  EXPECT_EQ(names, (std::vector<std::string>{"x", "y.0-2"}));
  EXPECT_EQ(schema.keys().front().value(), R"(["x", "y.0-2"])");
  EXPECT_EQ(schema.keys().front().type(), "list of strings");
  schema.load_text("", "run.toml", {"a.names=z.1"});
  EXPECT_EQ(names, std::vector<std::string>{"z.1"});
  schema.load_text("", "run.toml", {R"(a.names=["p", "q"])"});
  EXPECT_EQ(names, (std::vector<std::string>{"p", "q"}));
  for (const char* bad : {"[a]\nnames = [1]", "[a]\nnames = 2"}) {
    try {
      schema.load_text(bad, "run.toml", {});
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("run.toml:2: a.names takes a list of strings"),
                std::string::npos)
          << error.what();
    }
  }
}

TEST(Load, ListsAreCheckedElementByElement) {
  EXPECT_EQ(load_error("model.hidden = [3, 0]"),
            "run.toml:1: model.hidden takes a list of integers >= 1, not the list [ 3, 0 ]");
  EXPECT_TRUE(contains(load_error("model.hidden = [3, 'a']"), "not the list"));
  EXPECT_EQ(load_error("model.hidden = 500"),
            "run.toml:1: model.hidden takes a list of integers >= 1, not the integer 500: write it "
            "as [1, 2]");
  TestConfig config;
  config.hidden = {1};
  config.load("model.hidden = []");
  EXPECT_TRUE(config.hidden.empty());
}

TEST(Load, WeightedListsOfFileAndCommandLineAreTheSame) {
  std::string path;
  Schema schema;
  schema.key("data.path", &path).or_weighted_list();
  const std::string list = R"([["a \"b\"", 0.7], ["c", 3]])";
  schema.load_text("[data]\npath = [\n  ['a \"b\"', 0.7], # seven tenths\n  [\"c\", 3]]", "x", {});
  EXPECT_EQ(path, list);
  EXPECT_EQ(schema.to_toml(), "[data]\npath = " + list + "\n");
  path.clear();
  schema.load_text("", "x", {R"(data.path= [["a \"b\"",0.7],["c",3]])"});
  EXPECT_EQ(path, list);
  schema.load_text("data.path = 'folder [1]'", "x", {});
  EXPECT_EQ(path, "folder [1]");
  EXPECT_EQ(schema.to_toml(), "[data]\npath = \"folder [1]\"\n");
  for (const auto& [text, part] :
       std::vector<std::pair<const char*, const char*>>{{"[['a', 0.7], ['b', -1]]", "\"b\" is -1"},
                                                        {"[['a', 0.7], ['a', 1]]", "\"a\" twice"},
                                                        {"[['a', 0.7], 'b']", "element 2"},
                                                        {"[['a', 'b']]", "element 1"},
                                                        {"[]", "empty"},
                                                        {"[['a', inf]]", "inf"},
                                                        {"7", "a string, or a list like"}}) {
    const Error error =
        error_of([&] { schema.load_text(std::string("data.path = ") + text, "x.toml", {}); });
    EXPECT_EQ(error.code(), ExitCode::kConfig) << text;
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("x.toml:1: data.path"), std::string::npos)
        << error.what();
  }
}

TEST(Load, ChoicesAreNamedAndTheNearestSuggested) {
  EXPECT_EQ(load_error("model.name = 'begann'"),
            "run.toml:1: model.name takes one of \"ebgan\", \"began\", \"magan\", not the string "
            "\"begann\"; did you mean \"began\"?");
  EXPECT_EQ(load_error("model.name = 'diffusion'"),
            "run.toml:1: model.name takes one of \"ebgan\", \"began\", \"magan\", not the string "
            "\"diffusion\"");
}

TEST(Load, TrueAndFalseAreOnAndOffOfAKeyThatHasBoth) {
  std::string graph = "auto";
  std::string name = "began";
  Schema schema;
  schema.key("performance.graph", &graph).one_of({"auto", "on", "off"});
  schema.key("model.name", &name);
  EXPECT_EQ(schema.keys().front().accepts(), R"(one of "auto", "on", "off", true, false)");
  for (const auto& [written, word] :
       std::vector<std::pair<std::string, std::string>>{{"true", "on"},
                                                        {"false", "off"},
                                                        {"\"true\"", "on"},
                                                        {"\"off\"", "off"},
                                                        {"\"auto\"", "auto"}}) {
    graph = "";
    schema.load_text("performance.graph = " + written, "run.toml", {});
    EXPECT_EQ(graph, word) << written;
    graph = "";
    schema.load_text("", "run.toml", {"performance.graph=" + written});
    EXPECT_EQ(graph, word) << written;
  }
  EXPECT_EQ(schema.values().at("performance.graph"), "\"auto\"");
  const Error error = error_of([&] { schema.load_text("performance.graph = 1", "run.toml", {}); });
  EXPECT_TRUE(contains(error.what(), "true, false, not the integer 1")) << error.what();
  EXPECT_THROW(schema.load_text("model.name = true", "run.toml", {}), Error);
}

TEST(Load, ALongValueIsShortenedBetweenCharacters) {
  std::string umlauts = "x";  // so that the cut falls inside a two-byte character
  for (int i = 0; i < 100; ++i) umlauts += "ü";
  const std::string message = load_error("train.steps = '" + umlauts + "'");
  EXPECT_LT(message.size(), 160U);
  EXPECT_TRUE(message.ends_with("üü...\"")) << message;
}

// Replaces each byte of a good file by noise: it loads or is rejected.
TEST(Load, DamagedFileIsRejectedOrReadWithoutACrash) {
  const std::string good = TestConfig().schema.to_toml();
  std::size_t refused = 0;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    std::string text = good;
    text[mix64(i) % text.size()] = static_cast<char>(mix64(i + 1) >> 56U);
    TestConfig config;
    try {
      config.load(text);
    } catch (const Error& error) {
      ++refused;
      ASSERT_EQ(error.code(), ExitCode::kConfig) << text;
      ASSERT_TRUE(std::string(error.what()).starts_with("run.toml:")) << error.what();
    }
  }
  EXPECT_GT(refused, 1000U);
}

TEST(Load, QuotedKeyWithADotIsUnknown) {
  const std::string error = load_error("\"train.steps\" = 5\n[train]\nsteps = 3\n");
  EXPECT_EQ(error,
            "run.toml:1: unknown key \"train.steps\"; a dot in quotes is part of the name: write "
            "train.steps without quotes");
  for (const char* toml : {"[train]\nsteps = 3\n\"a.b\" = 1\n", "'train.steps' = 5\n",
                           "train.\"ste.ps\" = 5\n", "train = {\"train.steps\" = 1}\n"})
    EXPECT_TRUE(contains(load_error(toml), "unknown key")) << toml;
}

TEST(Load, AQuotedSectionWithADotIsUnknown) {
  EXPECT_TRUE(
      contains(load_error("[\"train.steps\"]\na = 1\n"), "write steps in the section [train]"));
  EXPECT_TRUE(contains(load_error("['a.b']\nc = 1\n"), "unknown section"));
}

TEST(Load, QuotesAroundAPlainNameChangeNothing) {
  for (const char* toml :
       {"[\"train\"]\n\"steps\" = 7\n", "'train'.steps = 7\n", "\"train\" = {'steps' = 7}\n"}) {
    TestConfig config;
    config.load(toml);
    EXPECT_EQ(config.steps, 7) << toml;
  }
}

TEST(Load, OneKeyInTwoSpellingsIsRejected) {
  for (const char* toml :
       {"[train]\nsteps = 1\n\"steps\" = 2\n", "train.steps = 1\n[train]\nsteps = 2\n",
        "train.steps = 1\n\"train\".'steps' = 2\n", "[train]\nsteps = 1\n[\"train\"]\nsteps = 2\n"})
    load_error(toml);
}

TEST(Load, ControlCharactersOfAKeyAreEscapedInTheMessage) {
  const std::string error = load_error("\"a\\u001b[31m\\nb\" = 1\n");
  EXPECT_TRUE(contains(error, "\\u001B[31m\\nb")) << error;
  EXPECT_EQ(error.find('\x1b'), std::string::npos);
}

TEST(Load, DeepNestingIsRejectedWithLineAndColumn) {
  std::string dotted = "a";
  for (int i = 0; i < 40'000; ++i) dotted += ".a";
  const auto repeated = [](const std::string& part, int n) {
    std::string text;
    for (int i = 0; i < n; ++i) text += part;
    return text;
  };
  for (const std::string& toml :
       {dotted + " = 1\n", "[" + dotted + "]\n", "[[" + dotted + "]]\n",
        "x = {" + dotted + " = 1}\n",
        "x = " + repeated("[", 100'000) + repeated("]", 100'000) + "\n",
        "x = " + repeated("{a = ", 100'000) + "1" + repeated("}", 100'000) + "\n",
        "x = " + repeated("{a.a.a = ", 50) + "1" + repeated("}", 50) + "\n"}) {
    const std::string error = load_error("# first line\n" + toml);
    EXPECT_EQ(error.find("run.toml:2:"), 0U) << error.substr(0, 100);
    EXPECT_TRUE(contains(error, "more than 100 levels")) << error.substr(0, 200);
  }
  load_error("", {"model.hidden=" + repeated("[", 100'000)});
  load_error("", {dotted + "=1"});
}

TEST(Load, DotsAndBracketsInStringsAndCommentsAreNotLevels) {
  const std::string brackets(1000, '[');
  const std::string dots(1000, '.');
  TestConfig config;
  config.load("# " + brackets + dots + "\n[data]\npath = \"\"\"\n" + brackets + "\"x\\\"" + dots +
              "\"\"\"\n[model]\nname = 'began' # " + brackets + "\n");
  EXPECT_EQ(config.path, brackets + "\"x\"" + dots);
  TestConfig literal;
  literal.load("data.path = '" + brackets + "\\'\n[train]\nsteps = 4 # '" + dots + "\n");
  EXPECT_EQ(literal.steps, 4);
}

TEST(Load, AValueThatIsNotUtf8IsRejectedOnTheCommandLine) {
  EXPECT_TRUE(contains(load_error("", {"data.path=caf\xE9"}), "not UTF-8"));
}

}  // namespace
}  // namespace valley
