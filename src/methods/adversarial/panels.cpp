#include "methods/adversarial/panels.h"

#include "methods/metric_names.h"

namespace valley {

std::vector<Panel> margin_panels() {
  Panel margin{kControlSection, "Margin", "", "", {{metric::kMargin, "margin", ""}}};
  margin.is_energy = margin.follows_energy = margin.marks_cuts = true;
  const Panel hinge{kControlSection,
                    "Share of samples with an active hinge",
                    "Generated samples whose energy is below the margin. At 0 they no longer train "
                    "the discriminator.",
                    "",
                    {{metric::kActiveHinge, "hinge active", ""}}};
  return {margin, hinge};
}

}  // namespace valley
