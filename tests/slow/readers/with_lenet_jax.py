import exchange

import lenet_jax

exchange.main(lenet_jax.load)
