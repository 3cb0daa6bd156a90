#include "record/captioned_images.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/error.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

CaptionedBlock block_of(std::size_t n, std::size_t bytes) {
  CaptionedBlock block{"title", {}};
  for (std::size_t i = 0; i < n; ++i)
    block.images.push_back({std::vector<std::uint8_t>(bytes, 100), {"0.25", "#1"}});
  return block;
}

TEST(CaptionedImages, SmallImagesAreEnlargedAndRowsHaveTheGivenLength) {
  const TemporaryFolder folder;
  const std::vector<CaptionedBlock> blocks = {block_of(5, 16 * 16), block_of(2, 16 * 16)};
  const Png wide = write_captioned(folder / "a.png", blocks, 16, 16, 1, 10);
  EXPECT_EQ(wide.width, 8 + 5 * (64 + 8));
  const Png narrow = write_captioned(folder / "b.png", blocks, 16, 16, 1, 3);
  EXPECT_EQ(narrow.width, 8 + 3 * (64 + 8));
  EXPECT_GT(narrow.height, wide.height);
  const Png large = write_captioned(folder / "c.png", {block_of(1, 100 * 100 * 3)}, 100, 100, 3, 3);
  EXPECT_EQ(large.width, 8 + 100 + 8);
}

TEST(CaptionedImages, TooManyAreRejected) {
  const TemporaryFolder folder;
  EXPECT_THROW(write_captioned(folder / "a.png", {block_of(20'000, 1)}, 1, 1, 1, 20'000), Error);
  EXPECT_EQ(folder.entries(), 0U);
}

}  // namespace
}  // namespace valley
