#include "sources/numpy_files.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace valley {
namespace {

std::string npy(const std::string& dictionary, char version = 1) {
  const std::size_t length = dictionary.size();
  std::string header = "\x93NUMPY" + std::string{version, 0};
  header += static_cast<char>(length & 0xFFU);
  header += static_cast<char>(length >> 8U);
  if (version > 1) header += std::string(2, '\0');
  return header + dictionary;
}

TEST(NumpyHeader, IsReadInAllVersions) {
  for (const char version : {1, 2, 3}) {
    const NpyHeader header = parse_npy_header(
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (50, 28, 27), }\n", version), "a");
    EXPECT_EQ(header.type, "|u1");
    EXPECT_FALSE(header.is_fortran);
    EXPECT_EQ(header.shape, (std::vector<std::uint64_t>{50, 28, 27}));
    EXPECT_EQ(header.header_bytes, (version == 1 ? 10U : 12U) + 66U);
  }
}

TEST(NumpyHeader, ShapesOfOneAndNoDimensionAreRead) {
  EXPECT_EQ(parse_npy_header(npy("{'descr':'<i8','fortran_order':True,'shape':(7,)}"), "a").shape,
            std::vector<std::uint64_t>{7});
  EXPECT_TRUE(parse_npy_header(npy("{'descr': '<i8', 'fortran_order': True, 'shape': ()}"), "a")
                  .shape.empty());
}

TEST(NumpyHeader, DamagedHeadersAreErrors) {
  const std::string good = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }");
  for (const std::string& wrong :
       {std::string("\x93NUMPX"), good.substr(0, 9), good.substr(0, 30), npy("{}"),
        npy("{'descr': [('a', '<i8')], 'fortran_order': False, 'shape': (5,)}"),
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': 5}"),
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (x,)}"),
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}")})
    EXPECT_THROW(static_cast<void>(parse_npy_header(wrong, "a")), Error) << wrong;
}

TEST(NumpyHeader, ChannelsAreLastOrSecond) {
  const auto gray = image_shape({5, 28, 27});
  ASSERT_TRUE(gray);
  EXPECT_EQ(gray->channels, 1);
  EXPECT_EQ(gray->width, 27);
  const auto planar = image_shape({5, 3, 28, 27});
  ASSERT_TRUE(planar);
  EXPECT_TRUE(planar->is_planar);
  EXPECT_EQ(planar->height, 28);
  const auto color = image_shape({5, 3, 27, 3});
  ASSERT_TRUE(color);
  EXPECT_FALSE(color->is_planar);
  EXPECT_FALSE(image_shape({5, 28, 27, 4}));
  EXPECT_FALSE(image_shape({5}));
  EXPECT_FALSE(image_shape({0, 28, 28}));
}

}  // namespace
}  // namespace valley
