"""Where labelled images come from: MNIST, the offline digits, a folder of images."""
