// Properties that every registered method must have.
#include "methods/method.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "methods/registry.h"

namespace valley {
namespace {

class EveryMethod : public ::testing::TestWithParam<std::string> {
 protected:
  const Method& method_ = require_method(GetParam(), "objective.name");
};

TEST_P(EveryMethod, IsFoundByItsName) { EXPECT_EQ(method_.name(), GetParam()); }

TEST_P(EveryMethod, ObjectiveOptionsHaveTheirOwnType) {
  const std::any options = method_.make_options();
  for (const auto& other : methods()) {
    if (other->name() == method_.name()) continue;
    EXPECT_NE(other->make_options().type(), options.type()) << other->name();
  }
}

TEST_P(EveryMethod, HelpTextsOfObjectiveKeysAreSentences) {
  std::any options = method_.make_options();
  Schema schema;
  method_.add_keys(options, schema);
  EXPECT_FALSE(schema.keys().empty());
  for (const Key& key : schema.keys()) {
    EXPECT_TRUE(key.name().starts_with("objective.")) << key.name();
    EXPECT_TRUE(key.meaning().ends_with(".")) << key.name() << ": " << key.meaning();
  }
}

TEST_P(EveryMethod, RejectedKeysBelongToAnotherMethod) {
  const auto keys_of = [](const Method& method) {
    std::any options = method.make_options();
    Schema schema;
    method.add_keys(options, schema);
    std::set<std::string> names;
    for (const Key& key : schema.keys()) names.insert(key.name());
    return names;
  };
  const std::set<std::string> own = keys_of(method_);
  for (const ForeignKey& rejected : method_.rejected_keys()) {
    EXPECT_FALSE(own.contains(rejected.key)) << rejected.key;
    EXPECT_TRUE(std::ranges::any_of(methods(), [&](const auto& other) {
      return keys_of(*other).contains(rejected.key);
    })) << rejected.key;
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, EveryMethod, ::testing::ValuesIn(method_names()),
                         [](const auto& method) { return method.param; });

TEST(Registry, UnknownNameIsRejectedWithKnownNames) {
  EXPECT_EQ(find_method("wgan"), nullptr);
  try {
    static_cast<void>(require_method("wgan", "model.name"));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kConfig);
    EXPECT_STREQ(e.what(), "model.name is \"wgan\"; known methods: began, dbn, ebgan, ebm, magan");
  }
}

}  // namespace
}  // namespace valley
