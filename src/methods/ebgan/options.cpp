#include "methods/ebgan/options.h"

#include "methods/adversarial/energies.h"

namespace valley {

void EbganOptions::add_keys(Schema& s) {
  add_energy_key(s, energy);
  s.key("objective.margin", &margin)
      .above(0)
      .help(
          "Margin of EBGAN's hinge loss, in the unit of objective.energy; auto: from margin_rmse.");
  s.key("objective.margin_rmse", &margin_rmse)
      .above(0)
      .help("The same margin as the root mean squared error of a pixel, for any energy and size.")
      .source("EBGAN's published margins are 0.18 of it");
  s.key("objective.pulling_away", &pulling_away)
      .one_of({"none", "squared", "cosine"})
      .help(
          "Pulling-away term of EBGAN-PT in the generator's loss: mean of the squared cosines of "
          "codes, or of the cosines.")
      .source("EBGAN, arXiv 1609.03126, section 2.4");
  s.key("objective.pulling_away_weight", &pulling_away_weight)
      .min(0)
      .help("Weight of the pulling-away term.")
      .source("EBGAN, arXiv 1609.03126");
  s.alternatives({"objective.margin", "objective.margin_rmse"});
  classes.add_keys(s);
}

}  // namespace valley
