#include "doctor/version_rules.h"

#include <gtest/gtest.h>

#include "collected.h"

namespace valley::doctor {
namespace {

TEST(VersionRules, ParsesComponents) {
  EXPECT_EQ(version_numbers("2.11.0"), (std::vector<int>{2, 11, 0}));
  EXPECT_EQ(version_numbers("v4.1.4rc2"), (std::vector<int>{4, 1, 4}));
  EXPECT_EQ(version_numbers("Open MPI v4.1"), (std::vector<int>{4, 1}));
  EXPECT_EQ(version_numbers("unknown"), std::vector<int>{});
  EXPECT_EQ(version_numbers("3."), std::vector<int>{3});
}

TEST(VersionRules, ComparesByComponent) {
  EXPECT_EQ(compare_versions("580.65.06", "580"), 1);
  EXPECT_EQ(compare_versions("535.104.05", "580"), -1);
  EXPECT_EQ(compare_versions("580", "580.0"), 0);
  EXPECT_EQ(compare_versions("2.9", "2.11"), -1);
}

TEST(VersionRules, AgreementDependsOnFixedComponents) {
  EXPECT_EQ(agreement("1.10.8", "1.10.8", 3), Agreement::kSame);
  EXPECT_EQ(agreement("1.10.8", "1.10.9", 2), Agreement::kCompatible);
  EXPECT_EQ(agreement("1.10.8", "1.12.0", 2), Agreement::kDifferent);
  EXPECT_EQ(agreement("13.0", "12.8", 1), Agreement::kDifferent);
}

Finding judge_version(const std::string& built, const std::string& loaded) {
  return named(collected([&](const Notes& notes) {
                 judge_library(notes, {"HDF5", "hdf5", built, loaded, 2, ""});
               }),
               "HDF5");
}

TEST(VersionRules, IncompatibleLibraryIsAFailureWithBothVersions) {
  EXPECT_EQ(judge_version("1.10.8", "1.10.8").status, Status::kOk);
  EXPECT_EQ(judge_version("1.10.8", "1.10.9").status, Status::kOk);
  const Finding other = judge_version("1.10.8", "1.14.3");
  EXPECT_EQ(other.status, Status::kFailure);
  EXPECT_EQ(other.code, ExitCode::kConfig);
  EXPECT_NE(other.value.find("1.10.8"), std::string::npos);
  EXPECT_NE(other.value.find("1.14.3"), std::string::npos);
}

TEST(VersionRules, FindsSettingsOfLibTorch) {
  const std::string config = "  - Build settings: BLAS=mkl, TORCH_VERSION=2.11.0, USE_CUDA=ON, \n";
  EXPECT_EQ(libtorch_setting(config, "TORCH_VERSION"), "2.11.0");
  EXPECT_EQ(libtorch_setting(config, "CUDNN_VERSION"), "unknown");
}

}  // namespace
}  // namespace valley::doctor
