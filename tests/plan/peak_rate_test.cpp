#include "plan/peak_rate.h"

#include <gtest/gtest.h>

#include <chrono>

#include "plan/matrix_speed.h"

namespace valley {
namespace {

constexpr auto kFp32 = TrainingPrecision::kFp32;
constexpr auto kTf32 = TrainingPrecision::kTf32;
constexpr auto kBf16 = TrainingPrecision::kBf16;

TEST(PublishedPeak, IsThatOfTheVariant) {
  EXPECT_EQ(published_peak("NVIDIA H100 80GB HBM3", kBf16), 989.5e12);
  EXPECT_EQ(published_peak("NVIDIA H100 PCIe", kBf16), 756.5e12);
  EXPECT_EQ(published_peak("NVIDIA H200", kTf32), 494.5e12);
  EXPECT_EQ(published_peak("NVIDIA H200 NVL", kTf32), 417.5e12);
  EXPECT_EQ(published_peak("NVIDIA A100-SXM4-80GB", kTf32), 156e12);
  EXPECT_EQ(published_peak("NVIDIA A100-SXM4-80GB", kFp32), 19.5e12);
  EXPECT_EQ(published_peak("NVIDIA L40S", kFp32), 91.6e12);
  EXPECT_EQ(published_peak("NVIDIA L40", kFp32), 90.5e12);
  EXPECT_EQ(published_peak("NVIDIA L4", kFp32), 30.3e12);
  EXPECT_EQ(published_peak("Tesla V100-SXM2-16GB", kFp32), 15.7e12);
}

TEST(PublishedPeak, OfGpusWithoutTf32IsThatOfFp32) {
  EXPECT_EQ(published_peak("Tesla T4", kTf32), 8.1e12);
}

TEST(PublishedPeak, IsUnknownForOtherDevices) {
  EXPECT_FALSE(published_peak("", kFp32));
  EXPECT_FALSE(published_peak("NVIDIA A10G", kFp32));
  EXPECT_FALSE(published_peak("NVIDIA H100 80GB HBM3 MIG 1g.10gb", kBf16));
  EXPECT_FALSE(published_peak("Tesla V100-SXM2-16GB", kBf16));
}

TEST(QuickMatrixSpeed, TakesAboutTheTimeGivenAndIsCloseToTheSlowMeasurement) {
  const double slow = matrix_speed(at::kCPU, at::kFloat);
  const auto began = std::chrono::steady_clock::now();
  const double quick = quick_matrix_speed(at::kFloat, 0.1);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
  EXPECT_LT(seconds.count(), 1);  // 0.1 s on an idle machine
  EXPECT_GT(quick, 0.3 * slow);
  EXPECT_LT(quick, 3 * slow);
}

}  // namespace
}  // namespace valley
