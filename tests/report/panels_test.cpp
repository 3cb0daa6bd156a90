#include "report/panels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace valley::report {
namespace {

std::vector<std::string> keys_of(const Panel& panel) {
  std::vector<std::string> keys;
  for (const Trace& trace : panel.traces) keys.push_back(trace.key);
  return keys;
}

TEST(Panels, EachMetricIsShownOnceExceptQuantiles) {
  const std::set<std::string> keys = {"energy/real",
                                      "energy/real/q05",
                                      "energy/real/q95",
                                      "energy/fake",
                                      "loss/D",
                                      "loss/G",
                                      "lr/D",
                                      "k",
                                      "M",
                                      "images_per_s",
                                      "made/up",
                                      "made/too",
                                      "other",
                                      "evaluate:swd",
                                      "evaluate:swd/floor",
                                      "evaluate:density",
                                      "news:of/today",
                                      "samples:new/thing",
                                      "quantile/q05"};
  std::map<std::string, int> shown;
  for (const Panel& panel : panels_for(keys))
    for (const std::string& key : keys_of(panel)) ++shown[key];
  for (const std::string& key : keys)
    EXPECT_EQ(shown[key], key.starts_with("energy/real/q") ? 0 : 1) << key;
}

TEST(Panels, AreInOrderAndGrouped) {
  const std::vector<Panel> panels =
      panels_for({"made/up", "made/too", "energy/fake", "energy/real", "margin", "evaluate:swd",
                  "evaluate:swd/floor", "k"});
  ASSERT_EQ(panels.size(), 5U);
  EXPECT_EQ(panels[0].section, "Energy");
  EXPECT_EQ(keys_of(panels[0]), (std::vector<std::string>{"energy/real", "energy/fake", "margin"}));
  EXPECT_TRUE(panels[0].is_energy && panels[0].marks_cuts);
  EXPECT_EQ(panels[1].title, "k");
  EXPECT_EQ(panels[2].title, "Margin");
  EXPECT_EQ(panels[3].title, "Sliced Wasserstein distance (swd)");
  EXPECT_EQ(panels[3].section, "Quality of samples");
  EXPECT_EQ(panels[3].traces[1].role, "floor");
  EXPECT_EQ(panels[4].section, "Other");
  EXPECT_EQ(panels[4].traces.size(), 2U);
}

TEST(Panels, MarginAloneIsNotAnEnergyPanel) {
  const std::vector<Panel> panels = panels_for({"margin", "energy/real"});
  EXPECT_EQ(std::ranges::count(panels, "Energy", &Panel::section), 1);
  const std::vector<Panel> lone = panels_for({"margin"});
  ASSERT_EQ(lone.size(), 1U);
  EXPECT_EQ(lone[0].title, "Margin");
  EXPECT_TRUE(panels_for({}).empty());
}

}  // namespace
}  // namespace valley::report
