from flwr.app import ArrayRecord, ConfigRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

from digits_app.task import Net

app = ServerApp()


@app.main()
def main(grid, context):
    lr = ConfigRecord({"lr": context.run_config["learning-rate"]})
    rounds = context.run_config["num-server-rounds"]
    FedAvg().start(grid, ArrayRecord(Net().state_dict()), num_rounds=rounds, train_config=lr)
