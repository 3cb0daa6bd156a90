#include "core/self_digest.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace valley {
namespace {

using nlohmann::json;

TEST(SelfDigest, EveryChangedValueOfJsonIsFound) {
  json object = {{"b", 0.1}, {"a", {1, 2}}, {"c", "text"}};
  EXPECT_TRUE(fits_json_digest(object)) << "without a digest, as earlier versions wrote it";
  object[kDigestKey] = json_digest(object);
  EXPECT_TRUE(fits_json_digest(object));
  EXPECT_TRUE(fits_json_digest(json::parse(object.dump(2)))) << "white space does not count";
  for (const auto& [pointer, value] :
       std::map<std::string, json>{{"/b", 0.3},
                                   {"/a/0", 3},
                                   {"/c", "test"},
                                   {"/d", 1},
                                   {"/sha256", std::string(64, '0')}}) {
    json damaged = object;
    damaged[json::json_pointer(pointer)] = value;
    EXPECT_FALSE(fits_json_digest(damaged)) << pointer;
  }
}

TEST(SelfDigest, EveryFlippedBitAndEveryCutOfTextIsFound) {
  const std::string plain = "[train]\nsteps = 10\n";
  EXPECT_TRUE(fits_digest_line(plain)) << "without a digest, as earlier versions wrote it";
  const std::string text = with_digest_line(plain);
  EXPECT_TRUE(fits_digest_line(text));
  EXPECT_TRUE(text.ends_with("\n" + plain));
  EXPECT_FALSE(fits_digest_line(text + "steps = 20\n"));
  for (std::size_t n = 0; n < text.size(); ++n) EXPECT_FALSE(fits_digest_line(text.substr(0, n)));
  // Damage of the words before the digest leaves the values as they are, without a digest.
  const std::size_t digest = text.find(": ") + 2;
  for (std::size_t byte = digest; byte < text.size(); ++byte) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string damaged = text;
      damaged[byte] = static_cast<char>(static_cast<unsigned char>(damaged[byte]) ^ (1U << bit));
      EXPECT_FALSE(fits_digest_line(damaged)) << byte << " " << bit;
    }
  }
}

}  // namespace
}  // namespace valley
