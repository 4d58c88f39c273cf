import cv2
import exchange


def load(path):
    network = cv2.dnn.readNetFromONNX(path)

    def run(images):
        # A blob has four axes.
        network.setInput(images[:, None])
        return network.forward()

    return run


exchange.main(load)
