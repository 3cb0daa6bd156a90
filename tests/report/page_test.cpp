#include "report/page.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "report/page_assets.h"
#include "report/page_data.h"
#include "report/page_text.h"

namespace valley::report {
namespace {

constexpr const char* kNasty =
    "</script><script>alert(1)</script><img src=x onerror=y>'\"{{data}}&";

RunFiles nasty_run() {
  RunFiles run;
  run.path = run.name = kNasty;
  run.settings = {{kNasty, kNasty}, {"data.path", kNasty}, {"objective.name", kNasty}};
  run.config = kNasty;
  run.launches = {{{kNasty, kNasty}, {"started", kNasty}, {"why", kNasty}, {"exit_code", kNasty}}};
  run.end = {{"exit_code", kNasty}, {"why", kNasty}};
  run.data = {{"images", kNasty}};
  run.log = {{kNasty, kNasty, 2}};
  run.notices = {kNasty};
  run.stats.series[kNasty].add(1, 2);
  run.stats.warnings = {{3, kNasty, kNasty}};
  return run;
}

nlohmann::json data_of(const std::vector<RunFiles>& runs) {
  return nlohmann::json::parse(page_data(runs));
}

RunFiles run_of(const std::string& stats, const std::string& energy) {
  RunFiles run;
  run.name = energy;
  run.settings = {{"objective.energy", energy}, {"objective.name", "\"magan\""}};
  run.stats = read_stats(stats);
  return run;
}

TEST(Page, TextFromFilesIsEscaped) {
  const std::string page = make_page({nasty_run(), nasty_run()}, kNasty);
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  EXPECT_EQ(page.find("<img"), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;alert(1)"), std::string::npos);
  EXPECT_NE(page.find("{{data}}"), std::string::npos) << "values are not searched for names";
}

TEST(Page, RefersToNoOtherFileOrHost) {
  const std::string page = make_page({RunFiles{}}, "");
  // The SVG namespace is not fetched, and url(#...) refers to the page itself.
  const std::size_t name = page.find("http://www.w3.org/2000/svg");
  EXPECT_EQ(page.find("http:"), name);
  EXPECT_EQ(page.find("http:", name + 1), std::string::npos);
  for (std::size_t at = page.find("url("); at != std::string::npos; at = page.find("url(", at + 1))
    EXPECT_EQ(page.substr(at, 5), "url(#");
  EXPECT_EQ(page.find("@import"), std::string::npos);
  EXPECT_EQ(page.find("src=\"//"), std::string::npos);
  EXPECT_EQ(page.find("https:"), std::string::npos);
  EXPECT_EQ(page_script().find("</script"), std::string_view::npos);
}

TEST(Fill, ReplacesEachNameOnce) {
  EXPECT_EQ(fill("a{{x}}b{{y}}{{x}}", {{"x", "{{y}}"}, {"y", "2"}}), "a{{y}}b2{{y}}");
  EXPECT_EQ(fill("", {}), "");
  EXPECT_THROW((void)fill("{{z}}", {{"x", ""}}), std::logic_error);
}

TEST(PageData, HasCurvesBandsAndMarks) {
  const nlohmann::json data = data_of({run_of(
      R"({"step": 1, "images": 64, "energy/real": 0.123456789, "energy/real/q05": 0.1, "energy/real/q95": 0.2, "margin": null}
{"event": "epoch", "step": 2, "images": 128, "S_D": 2, "S_G": 2, "steps": 2, "margin": 3, "margin_next": 1}
)",
      "\"l2_sum\"")});
  EXPECT_EQ(data["runs"][0]["images_per_step"], 64);
  const nlohmann::json& panel = data["panels"][0];
  EXPECT_EQ(panel["unit"], "l2_sum");
  EXPECT_FALSE(panel["facets"]);
  EXPECT_FALSE(panel["own_scale"]);
  EXPECT_EQ(panel["traces"].size(), 2U);
  const nlohmann::json& real = panel["traces"][0];
  EXPECT_EQ(real["mean"], nlohmann::json({0.123457}));
  EXPECT_EQ(data["axes"][real["axis"].get<std::size_t>()], nlohmann::json({1}));
  EXPECT_EQ(real["bands"].size(), 1U);
  EXPECT_EQ(real["bands"][0]["high"], nlohmann::json({0.2}));
  EXPECT_FALSE(real.contains("low"));
  EXPECT_TRUE(panel["traces"][1]["mean"][0].is_null());
  ASSERT_EQ(panel["marks"].size(), 1U);
  EXPECT_EQ(panel["marks"][0]["step"], 2);
  EXPECT_EQ(panel["marks"][0]["text"], "margin 3 → 1");
}

TEST(PageData, RescueIsMarkedInEachPlotAndListed) {
  const RunFiles run = run_of(
      R"({"step": 1, "images": 64, "energy/real": 1, "k": 0.5}
{"event": "rescue", "step": 1, "number": 1, "lost": 9, "restored": 1, "lr_scale": 0.5, "text": "<lost>"}
)",
      "");
  for (const nlohmann::json& panel : data_of({run})["panels"]) {
    ASSERT_EQ(panel["marks"].size(), 1U) << panel["title"];
    EXPECT_EQ(panel["marks"][0]["step"], 1);
    EXPECT_EQ(panel["marks"][0]["text"],
              "rescue 1: from step 9 to 1, with 0.5 times the learning rate");
  }
  EXPECT_NE(warnings_section({run}).find("with 0.5 times the learning rate; &lt;lost&gt;"),
            std::string::npos);
}

TEST(PageData, RunsWithDifferentEnergiesHaveSeparateScales) {
  const std::string stats = "{\"step\": 1, \"energy/real\": 2, \"energy/fake\": 3, \"k\": 0.5}\n";
  const nlohmann::json alike =
      data_of({run_of(stats, "\"l2_sum\""), run_of(stats, "\"l2_sum\"")})["panels"][0];
  EXPECT_TRUE(alike["facets"]);
  EXPECT_FALSE(alike["own_scale"]);
  EXPECT_EQ(alike["unit"], "l2_sum");
  EXPECT_EQ(alike["traces"].size(), 4U);
  const nlohmann::json panels =
      data_of({run_of(stats, "\"l2_sum\""), run_of(stats, "\"l2_norm\"")})["panels"];
  EXPECT_TRUE(panels[0]["own_scale"]);
  EXPECT_EQ(panels[0]["unit"], "");
  for (const nlohmann::json& panel : panels) {
    if (panel["title"] != "k") continue;
    EXPECT_FALSE(panel["facets"]);
    EXPECT_FALSE(panel["own_scale"]);
  }
}

TEST(PageData, LongRunIsReduced) {
  std::string stats;
  for (int i = 1; i <= 20'000; ++i)
    stats += fmt::format("{{\"step\": {}, \"loss/D\": {}, \"lr/D\": 0.001}}\n", i,
                         (i * 7919) % 1000 / 997.0);
  const std::string text = page_data({run_of(stats, "")});
  EXPECT_LT(text.size(), 60'000U);
  const nlohmann::json data = nlohmann::json::parse(text);
  EXPECT_EQ(data["axes"].size(), 1U) << "curves share their steps";
  for (const nlohmann::json& panel : data["panels"]) {
    const nlohmann::json& trace = panel["traces"][0];
    EXPECT_EQ(trace["mean"].size(), kMaxPoints);
    EXPECT_EQ(trace["values"], 20'000);
    EXPECT_EQ(trace.contains("low"), panel["title"] == "Losses")
        << "a constant metric has no range";
  }
}

TEST(DescribeState, DescribesHowARunEnded) {
  RunFiles run;
  EXPECT_EQ(describe_state(run).kind, "open");
  run.launches = {{{"exit_code", "75"}, {"why", "a signal"}}, {{"host", "n01"}}};
  EXPECT_EQ(describe_state(run).kind, "open") << "the last launch has no end";
  run.launches.pop_back();
  EXPECT_EQ(describe_state(run).kind, "stopped");
  EXPECT_EQ(describe_state(run).text, "stopped early (75): a signal");
  run.end = {{"exit_code", "70"}, {"why", "not finite"}};
  EXPECT_EQ(describe_state(run).text, "failed (70): not finite");
  run.end = {{"exit_code", "0"}};
  EXPECT_EQ(describe_state(run).kind, "done");
}

TEST(Text, WarningInBothFilesIsShownOnce) {
  RunFiles run;
  EXPECT_EQ(warnings_section({run}), "");
  run.stats.warnings = {{10, "collapse", "all alike"}};
  run.log = {{"2026", "warning: step 10: all alike", 1}, {"2026", "warning: slow disk", 3}};
  const std::string html = warnings_section({run});
  EXPECT_EQ(html.find("all alike"), html.rfind("all alike"));
  EXPECT_NE(html.find("collapse, step 10"), std::string::npos);
  EXPECT_NE(html.find("slow disk (3 times)"), std::string::npos);
}

TEST(Text, SettingsThatDifferComeFirst) {
  RunFiles a;
  a.settings = {{"train.steps", "5"}, {"train.seed", "0"}};
  RunFiles b = a;
  EXPECT_NE(settings_section({a, b}).find("All settings are the same"), std::string::npos);
  b.settings = {{"train.steps", "6"}, {"train.seed", "0"}, {"new.key", "1"}};
  const std::string html = settings_section({a, b});
  const std::string different = html.substr(0, html.find("<details>"));
  EXPECT_NE(different.find("train.steps"), std::string::npos);
  EXPECT_NE(different.find("new.key"), std::string::npos);
  EXPECT_EQ(different.find("train.seed"), std::string::npos);
}

}  // namespace
}  // namespace valley::report
